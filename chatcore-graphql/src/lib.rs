//! GraphQL frontend of [`chatcore`].
