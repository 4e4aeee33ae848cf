//! How the person is told outside of the app: preferences, words, addresses and phones.

use domain::Reason;
use proto::cardholder as pb;
use server_kit::store::StoreError;
use tonic::Status;

use super::Inner;
use super::session::Session;
use crate::notify::{Notices, Standing, wire};
use crate::store_status::store_status;

type Answer<T> = Result<T, Status>;

/// What the outbox said, as a caller hears it.
fn said<T>(outcome: Result<Result<T, Reason>, StoreError>) -> Answer<T> {
    outcome.map_err(|error| store_status(&error))?.map_err(proto::status)
}

impl Inner {
    pub(super) async fn get_preferences(&self, session: &Session) -> Answer<pb::GetPreferencesResponse> {
        let notices = &self.parts.notices;
        let standing = notices.standing(session.person_id).await.map_err(|error| store_status(&error))?;
        Ok(pb::GetPreferencesResponse {
            preferences: Some(wire::preferences(&standing.preferences)),
            awaited: wire::awaited(&standing),
            channels: wire::channels(notices.channels()),
        })
    }

    pub(super) async fn set_preferences(
        &self,
        session: &Session,
        request: &pb::SetPreferencesRequest,
    ) -> Answer<pb::SetPreferencesResponse> {
        let wanted = wire::preferences_of(request.preferences.as_ref()).map_err(proto::status)?;
        let standing: Standing = said(self.parts.notices.prefer(session.person_id, wanted).await)?;
        Ok(pb::SetPreferencesResponse {
            preferences: Some(wire::preferences(&standing.preferences)),
            awaited: wire::awaited(&standing),
        })
    }

    pub(super) async fn confirm_mail_address(
        &self,
        session: &Session,
        request: &pb::ConfirmMailAddressRequest,
    ) -> Answer<pb::ConfirmMailAddressResponse> {
        let standing = said(self.parts.notices.confirm_mail(session.person_id, &request.code).await)?;
        Ok(pb::ConfirmMailAddressResponse { preferences: Some(wire::preferences(&standing.preferences)) })
    }

    pub(super) async fn save_template(
        &self,
        session: &Session,
        request: &pb::SaveTemplateRequest,
    ) -> Answer<pb::SaveTemplateResponse> {
        let place = wire::place_of(request.kind, request.language, request.channel).map_err(proto::status)?;
        let preview = said(self.parts.notices.save_template(session.person_id, place, &request.text).await)?;
        Ok(pb::SaveTemplateResponse { preview })
    }

    pub(super) async fn list_templates(
        &self,
        session: &Session,
        request: &pb::ListTemplatesRequest,
    ) -> Answer<pb::ListTemplatesResponse> {
        let worded = self.parts.notices.templates(session.person_id).await.map_err(|error| store_status(&error))?;
        let templates = wire::templates(request, &worded).map_err(proto::status)?;
        Ok(pb::ListTemplatesResponse { templates })
    }

    pub(super) async fn forget_template(
        &self,
        session: &Session,
        request: &pb::ForgetTemplateRequest,
    ) -> Answer<pb::ForgetTemplateResponse> {
        let place = wire::place_of(request.kind, request.language, request.channel).map_err(proto::status)?;
        let text = said(self.parts.notices.forget_template(session.person_id, place).await)?;
        Ok(pb::ForgetTemplateResponse { text })
    }

    pub(super) async fn register_push(
        &self,
        session: &Session,
        request: pb::RegisterPushRequest,
    ) -> Answer<pb::RegisterPushResponse> {
        let target = wire::target_of(request).map_err(proto::status)?;
        said(self.parts.notices.register_push(session.person_id, session.device_id, target).await)?;
        Ok(pb::RegisterPushResponse {})
    }

    pub(super) async fn forget_push(&self, session: &Session) -> Answer<pb::ForgetPushResponse> {
        let forgotten = self.parts.notices.forget_push(session.person_id, session.device_id).await;
        forgotten.map_err(|error| store_status(&error))?;
        Ok(pb::ForgetPushResponse {})
    }
}

pub(super) fn preview(request: &pb::PreviewTemplateRequest) -> Result<pb::PreviewTemplateResponse, Reason> {
    let (kind, language) = (proto::from_notice_kind(request.kind)?, proto::from_notice_language(request.language)?);
    Ok(pb::PreviewTemplateResponse { preview: Notices::preview(kind, language, &request.text)? })
}
