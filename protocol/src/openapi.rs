//! Schemas that no derive makes, for the document of the API: of words, and of a job's settings.
//!
//! Must not: be in an executable. A test writes the document.

use crate::control::{JobSpec, RetrySpec};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A text that is one of these words, each with a description that may be empty.
pub(crate) fn words(about: &str, words: &[(&str, &str)]) -> RefOr<Schema> {
    let mut text = about.trim().to_owned();
    for (word, about) in words.iter().filter(|(_, about)| !about.is_empty()) {
        text.push_str(&format!("\n- `{word}`: {}", about.trim()));
    }
    text.push_str("\n\nA newer version may have more words.");
    let object = ObjectBuilder::new().schema_type(Type::String).description(Some(text));
    object.enum_values(Some(words.iter().map(|(word, _)| *word))).into()
}

/// Makes an enumeration of words known by its name.
macro_rules! schema_of {
    ($name:ident, $about:expr, $words:expr) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::openapi::words($about, &$words)
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

pub(crate) use schema_of;

/// An empty object: what is in it, the list of settings says, of which this crate knows nothing.
impl PartialSchema for JobSpec {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().into()
    }
}

impl ToSchema for JobSpec {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((RetrySpec::name().into_owned(), RetrySpec::schema()));
    }
}
