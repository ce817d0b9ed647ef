//! The engine's validation of a document, without its execution.
//!
//! What is executed is another document, made from the one that was asked for. So the validation must be had by itself, which the
//! engine does not offer: here an extension ends each request after it.

use std::sync::Arc;

use async_graphql::{
    Positioned, Request, Response, ServerError, ValidationResult, Variables,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::types::{DocumentOperations, ExecutableDocument, InlineFragment, Selection, SelectionSet},
};
use chatcore::{Code, Error, async_trait};
use futures_util::FutureExt as _;

use crate::error::{coded, request_error};

/// Ends requests when their documents are found valid.
pub(super) struct ValidateOnly;

/// The source of the error that says so.
struct Valid;

impl ExtensionFactory for ValidateOnly {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for ValidateOnly {
    async fn validation(
        &self,
        context: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(context).await?;
        Err(vec![ServerError { source: Some(Arc::new(Valid)), ..ServerError::new("valid", None) }])
    }
}

/// Validates a document with an engine that has the extension.
///
/// # Errors
/// What is wrong with the document, or with the variables.
pub(super) fn validate(
    execute: impl AsyncFnOnce(Request) -> Response,
    mut document: ExecutableDocument,
    operation_name: Option<&str>,
    variables: Variables,
) -> Result<(), Vec<ServerError>> {
    prepare_all(&mut document).map_err(|error| vec![error])?;
    let mut request = Request::new("").variables(variables);
    request.operation_name = operation_name.map(str::to_owned);
    request.set_parsed_query(document);
    // There is nothing in it to wait for.
    let Some(Response { errors, .. }) = execute(request).now_or_never() else {
        return Err(vec![request_error(&Error::Internal)]);
    };
    match errors.as_slice() {
        [error] if error.source::<Valid>().is_some() => Ok(()),
        [] => Err(vec![request_error(&Error::Internal)]),
        _ => Err(errors),
    }
}

fn prepare_all(document: &mut ExecutableDocument) -> Result<(), ServerError> {
    match &mut document.operations {
        DocumentOperations::Single(operation) => prepare(&mut operation.node.selection_set.node)?,
        DocumentOperations::Multiple(operations) => {
            operations.values_mut().try_for_each(|operation| prepare(&mut operation.node.selection_set.node))?;
        }
    }
    document.fragments.values_mut().try_for_each(|fragment| prepare(&mut fragment.node.selection_set.node))
}

/// The engine's validation does not look at `__typename`, nor sees the variables in its conditions. So these are looked at here, and
/// the conditions put on a fragment around the field.
fn prepare(set: &mut SelectionSet) -> Result<(), ServerError> {
    for item in &mut set.items {
        let at = item.pos;
        match &mut item.node {
            Selection::Field(field) if field.node.name.node == "__typename" => {
                if !field.node.arguments.is_empty() || !field.node.selection_set.node.items.is_empty() {
                    let error = coded("`__typename` has neither arguments nor fields", Code::ValidationInvalidValue);
                    return Err(ServerError { locations: vec![at], ..error });
                }
                let directives = std::mem::take(&mut field.node.directives);
                if !directives.is_empty() {
                    let items = vec![Positioned::new(Selection::Field(field.clone()), at)];
                    let selection_set = Positioned::new(SelectionSet { items }, at);
                    let fragment = InlineFragment { type_condition: None, directives, selection_set };
                    item.node = Selection::InlineFragment(Positioned::new(fragment, at));
                }
            }
            Selection::Field(field) => prepare(&mut field.node.selection_set.node)?,
            Selection::InlineFragment(fragment) => prepare(&mut fragment.node.selection_set.node)?,
            Selection::FragmentSpread(_) => {}
        }
    }
    Ok(())
}
