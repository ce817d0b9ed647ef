//! The place of a span in a trace, as programs tell it to each other.

use std::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
    str::FromStr,
    sync::Arc,
};

use tracing::Span;

use super::export;

/// The length of the text in its only version.
const LENGTH: usize = 55;

/// The longest `tracestate` that is passed on, in bytes: what every program must be able to pass on.
const STATE_BYTES: usize = 512;

/// The span of a caller, which is the parent of the spans here (W3C Trace Context). Its text is the value of `traceparent`.
///
/// ```
/// use chatcore::trace::TraceContext;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context: TraceContext = text.parse()?;
/// assert!(context.is_sampled);
/// assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
/// assert_eq!(context.to_string(), text);
/// # Ok::<_, chatcore::trace::InvalidTraceContext>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: NonZeroU128,
    /// The span of the caller.
    pub span: NonZeroU64,
    /// Whether the caller may have recorded its span.
    pub is_sampled: bool,
    state: Option<Arc<str>>,
}

/// A text that is no `traceparent`. The standard asks to ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent (W3C Trace Context)")]
pub struct InvalidTraceContext;

tokio::task_local! {
    /// The context of the request that this task carries out.
    static CURRENT: TraceContext;
}

impl TraceContext {
    /// The context of a span that is recorded or not.
    #[must_use]
    pub const fn new(trace: NonZeroU128, span: NonZeroU64, is_sampled: bool) -> Self {
        Self { trace, span, is_sampled, state: None }
    }

    /// The same with the value of `tracestate`, which is passed on as it is. One of more than 512 bytes is left out.
    #[must_use]
    pub fn with_state(self, state: &str) -> Self {
        let is_kept = !state.is_empty() && state.len() <= STATE_BYTES;
        Self { state: is_kept.then(|| state.into()), ..self }
    }

    /// The value of `tracestate`; `None` where there is none.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The id of the trace, in 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// What a request from this task to another program names as its parent: the current span where spans are [exported](super::export_spans),
    /// or else the context of the caller. `None` where the task carries out no request of a trace.
    #[must_use]
    pub fn current() -> Option<Self> {
        export::place(&Span::current()).or_else(|| CURRENT.try_with(Self::clone).ok())
    }

    /// Carries out what belongs to a request with this context. What it spawns does not belong to the request, unless it is carried out within
    /// the [`current`](Self::current) context, too.
    pub async fn within<T>(context: Option<Self>, request: impl Future<Output = T>) -> T {
        match context {
            Some(context) => CURRENT.scope(context, request).await,
            None => request.await,
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Flags without a meaning in this version are 0.
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    /// Reads a `traceparent` of version `00`, or the part of a later version that has the same meaning (section 4.3).
    fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
        let (known, rest) = text.split_at_checked(LENGTH).ok_or(InvalidTraceContext)?;
        let mut parts = known.split('-');
        let mut part = |digits| hexadecimal(parts.next()?, digits);
        let (version, trace, span, flags) = (part(2), part(32), part(16), part(2));
        let is_read = match version.ok_or(InvalidTraceContext)? {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let span = span.and_then(|span| u64::try_from(span).ok()).and_then(NonZeroU64::new);
        match (trace.and_then(NonZeroU128::new), span, flags, parts.next()) {
            (Some(trace), Some(span), Some(flags), None) if is_read => Ok(Self::new(trace, span, flags & 1 == 1)),
            _ => Err(InvalidTraceContext),
        }
    }
}

/// A number of exactly so many digits in small letters.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_number = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_number { u128::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::TraceContext;

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        for (text, is_sampled) in [
            (format!("{good}-01"), true),
            (format!("{good}-00"), false),
            (format!("{good}-ff"), true),
            (format!("{good}-02"), false),
            // Later versions begin with the same four parts.
            (format!("cc{}-01", &good[2..]), true),
            (format!("cc{}-01-what-the-future-will-be-like", &good[2..]), true),
        ] {
            let context: TraceContext = text.parse().unwrap();
            assert_eq!(context.to_string(), format!("{good}-{:02x}", u8::from(is_sampled)), "{text}");
        }
        for bad in [
            "",
            good,
            &format!("{good}-1"),
            &format!("{good}-001"),
            &format!("{good}-01-"),
            &format!("{good}-01-x"),
            &format!("{good}-0g"),
            &format!("{good}-0A"),
            &format!(" {good}-01"),
            &format!("{good}-01 "),
            &format!("ff{}-01", &good[2..]),
            &format!("cc{}-01x", &good[2..]),
            &format!("0{}-01", &good[2..]),
            &format!("{}-01", good.to_uppercase()),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-0101",
            "00-0af7651916cd43dd8448eb211c80319é-b7ad6b7169203331-01",
        ] {
            assert!(bad.parse::<TraceContext>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_state_is_passed_on_as_it_is_unless_it_is_too_long() {
        let context: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
        assert_eq!(context.state(), None);
        assert_eq!(context.clone().with_state("a=1,b=2").state(), Some("a=1,b=2"));
        assert_eq!(context.clone().with_state("").state(), None);
        assert_eq!(context.with_state(&"a".repeat(513)).state(), None);
    }
}
