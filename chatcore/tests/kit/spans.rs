//! The spans that a test begins.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use tracing::{
    Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

/// A span.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub name: String,
    pub id: u64,
    pub parent: Option<u64>,
    pub follows: Vec<u64>,
    pub fields: BTreeMap<String, String>,
    pub is_closed: bool,
}

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// All spans since the beginning, those of this project.
#[derive(Debug, Clone, Default)]
pub struct Spans(Arc<Mutex<Vec<Seen>>>);

impl Spans {
    /// Collects the spans of this thread while the guard lives.
    pub fn collect(level: LevelFilter) -> (Self, DefaultGuard) {
        let spans = Self::default();
        let subscriber = tracing_subscriber::registry().with(spans.clone()).with(level);
        (spans, tracing::subscriber::set_default(subscriber))
    }

    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    pub fn named(&self, name: &str) -> Vec<Seen> {
        self.all().into_iter().filter(|span| span.name == name).collect()
    }

    /// The one span of this name.
    #[track_caller]
    pub fn only(&self, name: &str) -> Seen {
        let mut found = self.named(name);
        assert_eq!(found.len(), 1, "{name}: {:#?}", self.all());
        found.remove(0)
    }

    /// The names of the spans within a span.
    pub fn within(&self, parent: &Seen) -> Vec<String> {
        self.all().into_iter().filter(|span| span.parent == Some(parent.id)).map(|span| span.name).collect()
    }

    fn change(&self, id: &Id, change: impl FnOnce(&mut Seen)) {
        let mut spans = self.0.lock().unwrap();
        // Ids come again once their spans are closed.
        if let Some(span) = spans.iter_mut().rev().find(|span| span.id == id.into_u64() && !span.is_closed) {
            change(span);
        }
    }
}

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !attributes.metadata().target().starts_with("chatcore") {
            return;
        }
        let parent = context.span(id).and_then(|span| span.parent()).map(|parent| parent.id().into_u64());
        let name = attributes.metadata().name().to_owned();
        let mut span = Seen { name, id: id.into_u64(), parent, ..Seen::default() };
        attributes.record(&mut Fields(&mut span.fields));
        self.0.lock().unwrap().push(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.change(id, |span| values.record(&mut Fields(&mut span.fields)));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _: Context<'_, S>) {
        self.change(id, |span| span.follows.push(follows.into_u64()));
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.change(&id, |span| span.is_closed = true);
    }
}
