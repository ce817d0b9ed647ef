//! What is logged, and with the feature `otel`, exported.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    config::{Failure, LogFormat},
    output::Output,
};

/// The export of spans. It ends, with what is left, when it is dropped.
#[derive(Default)]
pub(crate) struct Export {
    #[cfg(feature = "otel")]
    export: Option<chatcore_otel::Export>,
}

impl Export {
    /// The export that the environment asks for.
    pub(crate) fn begin() -> Result<Self, Failure> {
        Ok(Self {
            #[cfg(feature = "otel")]
            export: chatcore_otel::Export::from_environment()?,
        })
    }

    /// Writes the log, and records the spans for the export.
    pub(crate) fn log(&self, filter: EnvFilter, format: LogFormat, stderr: &Output) {
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            // Its own complaints would go to stderr directly, and panic where that is gone.
            .log_internal_errors(false)
            .with_writer(stderr.clone());
        let lines = match format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        #[cfg(feature = "otel")]
        if let Some(export) = &self.export {
            // What is exported does not depend on what is logged.
            return tracing_subscriber::registry().with(lines.with_filter(filter)).with(export.layer()).init();
        }
        tracing_subscriber::registry().with(lines).with(filter).init();
    }
}

#[cfg(feature = "otel")]
impl Drop for Export {
    fn drop(&mut self) {
        if let Some(export) = self.export.take() {
            export.shut_down(std::time::Duration::from_secs(2));
        }
    }
}
