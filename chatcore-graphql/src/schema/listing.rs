//! Connections of lists, and their names.

use std::{borrow::Cow, marker::PhantomData};

use async_graphql::{
    Object, ObjectType, OutputType, TypeName,
    connection::{
        ConnectionNameType, DefaultConnectionName, DefaultEdgeName, Edge, EdgeNameType, EmptyFields, PageInfo,
    },
};

/// A page of a list. Its end is where the list goes on, which may be after an entry that the page does not show.
pub(super) struct Listing<N, C = EmptyFields, M = DefaultConnectionName, E = DefaultEdgeName, F = EmptyFields>
where
    N: OutputType,
    C: ObjectType,
    M: ConnectionNameType,
    E: EdgeNameType,
    F: ObjectType,
{
    edges: Vec<Edge<String, N, F, E>>,
    has_previous_page: bool,
    /// Where the list goes on; `None` at its end.
    next: Option<String>,
    fields: C,
    name: PhantomData<fn() -> M>,
}

impl<N, C, M, E, F> TypeName for Listing<N, C, M, E, F>
where
    N: OutputType,
    C: ObjectType,
    M: ConnectionNameType,
    E: EdgeNameType,
    F: ObjectType,
{
    fn type_name() -> Cow<'static, str> {
        M::type_name::<N>().into()
    }
}

impl<N, C, M, E, F> Listing<N, C, M, E, F>
where
    N: OutputType,
    C: ObjectType,
    M: ConnectionNameType,
    E: EdgeNameType,
    F: ObjectType,
{
    /// A page with these edges, which goes on at `next`.
    pub(super) const fn new(
        edges: Vec<Edge<String, N, F, E>>,
        has_previous_page: bool,
        next: Option<String>,
        fields: C,
    ) -> Self {
        Self { edges, has_previous_page, next, fields, name: PhantomData }
    }
}

#[Object(name_type)]
impl<N, C, M, E, F> Listing<N, C, M, E, F>
where
    N: OutputType,
    C: ObjectType,
    M: ConnectionNameType,
    E: EdgeNameType,
    F: ObjectType,
{
    /// Information to aid in pagination.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.has_previous_page,
            has_next_page: self.next.is_some(),
            start_cursor: self.edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: self.next.clone().or_else(|| self.edges.last().map(|edge| edge.cursor.clone())),
        }
    }

    /// A list of edges.
    async fn edges(&self) -> &[Edge<String, N, F, E>] {
        &self.edges
    }

    /// A list of nodes.
    async fn nodes(&self) -> Vec<&N> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    #[graphql(flatten)]
    async fn fields(&self) -> &C {
        &self.fields
    }
}

/// Names of a connection of nodes that another one has, too.
pub(super) struct PublicSessions;

impl ConnectionNameType for PublicSessions {
    fn type_name<T: OutputType>() -> String {
        "PublicSessionConnection".to_owned()
    }
}

impl EdgeNameType for PublicSessions {
    fn type_name<T: OutputType>() -> String {
        "PublicSessionEdge".to_owned()
    }
}

/// Names of the connection of events, whose nodes are an interface.
pub(super) struct Events;

impl ConnectionNameType for Events {
    fn type_name<T: OutputType>() -> String {
        "EventConnection".to_owned()
    }
}

impl EdgeNameType for Events {
    fn type_name<T: OutputType>() -> String {
        "EventEdge".to_owned()
    }
}

/// Names of the connection of messages that mention the caller.
pub(super) struct Mentions;

impl ConnectionNameType for Mentions {
    fn type_name<T: OutputType>() -> String {
        "MentionConnection".to_owned()
    }
}

impl EdgeNameType for Mentions {
    fn type_name<T: OutputType>() -> String {
        "MentionEdge".to_owned()
    }
}

/// Names of the connection of messages whose number is not known.
pub(super) struct Threads;

impl ConnectionNameType for Threads {
    fn type_name<T: OutputType>() -> String {
        "ThreadConnection".to_owned()
    }
}

impl EdgeNameType for Threads {
    fn type_name<T: OutputType>() -> String {
        "ThreadEdge".to_owned()
    }
}
