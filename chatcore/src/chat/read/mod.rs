//! Pages, batches, lists and views: what every answer is read by.

pub(super) mod batch;
pub(super) mod directory;
pub(super) mod ends;
pub(super) mod extras;
pub(super) mod lists;
pub(super) mod overview;
pub(super) mod pages;
pub(super) mod profiles;
pub(super) mod user_directory;
pub(super) mod view;
