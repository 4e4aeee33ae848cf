//! The calls about how the person is told.

use proto::cardholder as pb;

use super::{Phone, PhoneError};

impl Phone {
    /// How the person is told, and which e-mail address waits to be confirmed.
    pub async fn preferences(&self) -> Result<pb::GetPreferencesResponse, PhoneError> {
        let request = pb::GetPreferencesRequest {};
        self.in_session(request, |mut hub, request| async move { hub.get_preferences(request).await }).await
    }

    /// Says how the person wants to be told.
    pub async fn set_preferences(&self, wanted: pb::Preferences) -> Result<pb::SetPreferencesResponse, PhoneError> {
        let request = pb::SetPreferencesRequest { preferences: Some(wanted) };
        self.in_session(request, |mut hub, request| async move { hub.set_preferences(request).await }).await
    }

    /// Confirms the e-mail address that waits.
    pub async fn confirm_mail(&self, code: &str) -> Result<Option<pb::Preferences>, PhoneError> {
        let request = pb::ConfirmMailAddressRequest { code: code.to_owned() };
        let call = self.in_session(request, |mut hub, request| async move { hub.confirm_mail_address(request).await });
        Ok(call.await?.preferences)
    }

    /// What words would look like.
    pub async fn preview_template(&self, request: pb::PreviewTemplateRequest) -> Result<String, PhoneError> {
        let call = self.in_session(request, |mut hub, request| async move { hub.preview_template(request).await });
        Ok(call.await?.preview)
    }

    /// Stores the person's own words; gives what they look like.
    pub async fn save_template(&self, request: pb::SaveTemplateRequest) -> Result<String, PhoneError> {
        let call = self.in_session(request, |mut hub, request| async move { hub.save_template(request).await });
        Ok(call.await?.preview)
    }

    pub async fn templates(&self, request: pb::ListTemplatesRequest) -> Result<Vec<pb::Template>, PhoneError> {
        let call = self.in_session(request, |mut hub, request| async move { hub.list_templates(request).await });
        Ok(call.await?.templates)
    }

    /// Goes back to the usual words, and gives them.
    pub async fn forget_template(&self, request: pb::ForgetTemplateRequest) -> Result<String, PhoneError> {
        let call = self.in_session(request, |mut hub, request| async move { hub.forget_template(request).await });
        Ok(call.await?.text)
    }
}
