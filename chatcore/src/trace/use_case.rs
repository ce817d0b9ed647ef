//! The spans of use cases.

use futures_util::FutureExt as _;
use tracing::{Instrument as _, Span};

use crate::error::Result;

/// Carries out a use case within a span of its name, and of the session that it is about.
macro_rules! use_case {
    ($name:literal, $body:expr) => {
        $crate::trace::carry_out(tracing::debug_span!($name, code = tracing::field::Empty), $body).await
    };
    ($name:literal, $session:expr, $body:expr) => {
        $crate::trace::carry_out(
            tracing::debug_span!($name, session = %$session, code = tracing::field::Empty),
            $body,
        )
        .await
    };
}

pub(crate) use use_case;

/// Carries out a use case within its span. No `async fn`, which would keep the future twice.
pub(crate) fn carry_out<T>(
    span: Span,
    use_case: impl Future<Output = Result<T>> + Send,
) -> impl Future<Output = Result<T>> + Send {
    use_case.inspect(note_failure).instrument(span)
}

/// Notes the code of a failure in the span of the use case, which is the current one.
fn note_failure<T>(outcome: &Result<T>) {
    if let Err(error) = outcome
        && tracing::enabled!(tracing::Level::DEBUG)
    {
        Span::current().record("code", error.name());
    }
}
