//! Repaying: the calls, and the phone's own memory of what it has asked for.
//!
//! What is signed is on disk before it is first sent (D0), and stays there until its answer is final: a phone that was cut off sends the
//! same text again, and never makes a second repayment of it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use domain::PaymentId;
use domain::repayment::Form;
use proto::cardholder as pb;
use serde::{Deserialize, Serialize};

use super::{Phone, PhoneError};

/// A repayment as the phone has signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRepayment {
    pub id: String,
    text: String,
    device_id: String,
    /// In hex.
    signature: String,
}

impl SignedRepayment {
    fn request(&self) -> Result<pb::CreateRepaymentRequest, PhoneError> {
        let digit =
            |at: usize| self.signature.get(at..at.saturating_add(2)).and_then(|it| u8::from_str_radix(it, 16).ok());
        let signature = (0..self.signature.len()).step_by(2).map(digit).collect::<Option<Vec<u8>>>();
        Ok(pb::CreateRepaymentRequest {
            text: self.text.clone(),
            device_id: self.device_id.clone(),
            signature: signature.ok_or(PhoneError::Unreadable("the signature of a repayment"))?,
        })
    }

    /// What was signed.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Phone {
    /// Signs a repayment. Nothing is sent.
    pub fn sign_repayment(&self, form: &Form) -> Result<SignedRepayment, PhoneError> {
        let (text, device_id) = (form.to_string(), self.device_id().to_string());
        let signature = self.key().sign(format!("bankhub.v1.repayment\n{device_id}\n{text}").as_bytes())?;
        let signature = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(SignedRepayment { id: form.id.to_string(), text, device_id, signature })
    }

    /// Sends a repayment; the same one again gives the same answer.
    pub async fn create_repayment(&self, signed: &SignedRepayment) -> Result<pb::Repayment, PhoneError> {
        let request = signed.request()?;
        let call = self.in_session(request, |mut hub, request| async move { hub.create_repayment(request).await });
        call.await?.repayment.ok_or(PhoneError::Unreadable("a repayment"))
    }

    /// Reads one repayment.
    pub async fn repayment(&self, id: PaymentId) -> Result<pb::Repayment, PhoneError> {
        let request = pb::GetRepaymentRequest { repayment_id: id.to_string() };
        let call = self.in_session(request, |mut hub, request| async move { hub.get_repayment(request).await });
        call.await?.repayment.ok_or(PhoneError::Unreadable("a repayment"))
    }

    /// One page of the person's repayments, the last one first.
    pub async fn repayments(&self, page_size: i32, page_token: &str) -> Result<pb::ListRepaymentsResponse, PhoneError> {
        let request = pb::ListRepaymentsRequest { page_size, page_token: page_token.to_owned() };
        self.in_session(request, |mut hub, request| async move { hub.list_repayments(request).await }).await
    }
}

/// The repayments of a phone whose answer is not final yet: a file for each.
#[derive(Clone, Debug)]
pub struct OpenRepayments {
    folder: PathBuf,
}

impl OpenRepayments {
    pub(super) fn of(phone: &Path) -> Self {
        Self { folder: phone.join("repayments") }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// Writes one down. When this returns it is found again after a power cut.
    pub fn keep(&self, signed: &SignedRepayment) -> Result<(), PhoneError> {
        fs::create_dir_all(&self.folder).map_err(|error| PhoneError::file(&self.folder, &error))?;
        let path = self.path(&signed.id);
        let text = serde_json::to_string(signed).map_err(|_| PhoneError::Unreadable("a repayment"))?;
        let partial = path.with_extension("partial");
        let sync = |path: &Path| fs::File::open(path).and_then(|folder| folder.sync_all());
        let parent = self.folder.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&partial, &path))
            .and_then(|()| sync(&self.folder))
            .and_then(|()| sync(parent))
            .map_err(|error| PhoneError::file(&path, &error))
    }

    /// Those that are written down, the oldest first.
    pub fn all(&self) -> Result<Vec<SignedRepayment>, PhoneError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(PhoneError::file(&self.folder, &error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| PhoneError::file(&self.folder, &error))?.path();
            // What was torn by a power cut was never sent.
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read_to_string(&path).map_err(|error| PhoneError::file(&path, &error))?;
            let signed: SignedRepayment =
                serde_json::from_str(&text).map_err(|_| PhoneError::Unreadable("a repayment on disk"))?;
            all.push(signed);
        }
        // Ids go up with time.
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    /// Forgets one whose answer is final.
    pub fn forget(&self, id: &str) -> Result<(), PhoneError> {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(PhoneError::file(&path, &error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(id: &str) -> SignedRepayment {
        let text = "bankhub repayment v1\n".to_owned();
        SignedRepayment { id: id.to_owned(), text, device_id: String::new(), signature: "00ff10".to_owned() }
    }

    #[test]
    fn r8_what_was_signed_is_found_again_until_its_answer_is_final() {
        let folder = tempfile::tempdir().unwrap();
        let open = OpenRepayments::of(folder.path());
        assert_eq!(open.all().unwrap(), []);
        let (first, second) = (signed("0192f0c1"), signed("0192f0c2"));
        open.keep(&second).unwrap();
        open.keep(&first).unwrap();
        fs::write(folder.path().join("repayments/0192f0c3.partial"), "{").unwrap();
        assert_eq!(open.all().unwrap(), [first.clone(), second.clone()]);
        assert_eq!(first.request().unwrap().signature, [0, 0xff, 0x10]);
        open.forget(&first.id).unwrap();
        open.forget(&first.id).unwrap();
        assert_eq!(open.all().unwrap(), [second]);
        fs::write(folder.path().join("repayments/0192f0c4.json"), "{").unwrap();
        assert!(open.all().is_err(), "what is damaged is looked at by a person");
    }

    #[test]
    fn a_signature_that_was_damaged_is_not_sent() {
        for bad in ["0", "0g", "é"] {
            assert!(SignedRepayment { signature: bad.to_owned(), ..signed("x") }.request().is_err(), "{bad}");
        }
    }
}
