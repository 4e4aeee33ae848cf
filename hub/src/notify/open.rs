//! Opening the channels that are configured, each with its worker.

use std::sync::Arc;

use domain::notice::ChannelKind;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::channel::{Channel, Receipt};
use super::{ChannelError, Mail, Notices, NoticesOptions, NoticesParts, NotifyConfig, Push, Sms, SmsLine};

/// The outbox with its workers.
#[derive(Debug)]
pub struct Telling {
    pub notices: Notices,
    /// The writer, the lines and the workers, each until the hub drains.
    pub tasks: Vec<(&'static str, JoinHandle<()>)>,
}

impl Telling {
    /// Opens the outbox, and for each channel that is configured its line and a worker.
    pub fn start(
        config: &NotifyConfig,
        parts: NoticesParts,
        options: NoticesOptions,
        draining: &CancellationToken,
    ) -> Result<Self, ChannelError> {
        let (clock, rng) = (parts.clock.clone(), parts.rng.clone());
        let mut channels: Vec<(Arc<dyn Channel>, mpsc::Receiver<Receipt>)> = Vec::new();
        let mut tasks = Vec::new();
        // Nobody tells later of what goes by mail and push.
        let silent = || mpsc::channel(1).1;
        if let Some(mail) = &config.mail {
            channels.push((Arc::new(Mail::new(mail.options(), clock.clone())?), silent()));
        }
        let services = config.push.services().to_vec();
        if !services.is_empty() {
            channels.push((Arc::new(Push::new(services, &clock)?), silent()));
        }
        // Last, since its line is a task, which nothing that fails after it would end.
        if let Some(sms) = &config.sms {
            let SmsLine { channel, receipts, task } = Sms::start(sms.options(), clock, rng, draining.clone())?;
            channels.push((channel, receipts));
            tasks.push(("sms line", task));
        }
        let kinds: Vec<ChannelKind> = channels.iter().map(|(channel, _)| channel.kind()).collect();
        let (notices, writer) = Notices::start(parts, options, kinds);
        tasks.push(("notices", writer));
        for (channel, receipts) in channels {
            let worker = notices.clone().deliver(channel, receipts, draining.clone());
            tasks.push(("notices worker", tokio::spawn(worker)));
        }
        Ok(Self { notices, tasks })
    }
}
