//! Logs to standard error and metrics for Prometheus.

use std::fmt;
use std::io::{self, IsTerminal as _};

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};
use serde::Deserialize;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{FmtSpan, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

pub use metrics_exporter_prometheus::PrometheusHandle;

use crate::trace;

/// Upper bounds of every duration histogram, in seconds. They are finest around the few milliseconds of a flushed
/// transaction and reach to the 15 seconds after which a terminal gives up.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0];

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    #[default]
    Json,
    /// Coloured text, for people at a terminal.
    Pretty,
}

/// Why logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not of the form `info,hub::payment=debug`.
    #[error("the log filter {filter:?} cannot be understood")]
    Filter {
        /// The filter as it was given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// A process has one subscriber, and it is set.
    #[error("logging is already set up in this process")]
    LogsTaken(#[from] TryInitError),
    /// A process has one recorder of metrics, and it is set.
    #[error("metrics cannot be recorded")]
    Metrics(#[from] BuildError),
}

/// Sets up logs and metrics for a server. One that runs inside another program leaves that program's as they are.
pub fn start(format: LogFormat, filter: &str) -> Result<PrometheusHandle, TelemetryError> {
    match init(format, filter) {
        Ok(()) | Err(TelemetryError::LogsTaken(_)) => {}
        Err(error) => return Err(error),
    }
    install_metrics().or_else(|_| detached_metrics())
}

/// Sends log lines that pass `filter` (for example `info,hub::payment=debug`) to standard error, for the whole process.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let env_filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(env_filter).with_span_events(FmtSpan::NONE).with_writer(io::stderr);
    match format {
        LogFormat::Json => {
            let json = builder.json().flatten_event(true).with_current_span(true);
            json.map_event_format(|line| JsonWithTrace { line }).finish().try_init()?;
        }
        LogFormat::Pretty => {
            let text = builder.with_target(false).with_ansi(io::stderr().is_terminal());
            text.with_timer(TimeWithTrace).finish().try_init()?;
        }
    }
    Ok(())
}

/// Log lines as JSON, the first field of which is the trace that is being worked for, if there is one.
struct JsonWithTrace<F> {
    line: F,
}

impl<S, N, F> FormatEvent<S, N> for JsonWithTrace<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(current) = trace::current() else { return self.line.format_event(context, to, event) };
        let mut line = String::new();
        self.line.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(fields) => write!(to, "{{\"trace_id\":\"{}\",{fields}", current.trace_id()),
            None => to.write_str(&line),
        }
    }
}

/// The time of a line of text, and behind it the trace.
struct TimeWithTrace;

impl FormatTime for TimeWithTrace {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        SystemTime.format_time(to)?;
        trace::current().map_or(Ok(()), |current| write!(to, " trace_id={}", current.trace_id()))
    }
}

/// Records metrics for the whole process. Names of durations end in `_seconds`.
pub fn install_metrics() -> Result<PrometheusHandle, TelemetryError> {
    Ok(builder()?.install_recorder()?)
}

/// A handle that nothing is recorded to: for tests, and for a second server in one process.
pub fn detached_metrics() -> Result<PrometheusHandle, TelemetryError> {
    Ok(builder()?.build_recorder().handle())
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    use metrics_exporter_prometheus::Matcher;
    PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_understood_is_named() {
        let refused = init(LogFormat::Pretty, "hub=loud").unwrap_err();
        assert!(matches!(&refused, TelemetryError::Filter { filter, .. } if filter == "hub=loud"), "{refused:?}");
    }

    #[test]
    fn a_second_server_in_one_process_starts_beside_the_first() {
        for _ in 0..2 {
            start(LogFormat::Pretty, "off").unwrap();
        }
    }

    #[test]
    fn durations_become_histograms_in_seconds() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || metrics::histogram!("flush_seconds").record(0.004));
        let text = recorder.handle().render();
        assert!(text.contains("flush_seconds_bucket{le=\"0.005\"} 1"), "{text}");
    }
}
