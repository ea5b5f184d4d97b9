//! The shapes that all answers share, for the description of the API: problems, pages, one thing.

use std::borrow::Cow;

use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::Code;

/// An error: RFC 9457 with the members of the predecessor.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes what problem.rs writes")]
pub(crate) struct ProblemBody {
    /// Where the error is explained, on this server.
    #[schema(example = "/docs/errors/call_not_found")]
    r#type: String,
    /// The same for every occurrence.
    #[schema(example = "Call not found")]
    title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// For programs. The set is closed.
    code: Code,
    /// What is wrong, and the way out.
    detail: String,
    /// The parameter or member at fault.
    #[schema(nullable = false)]
    field: Option<String>,
    /// By this it is found in the log of the server.
    request_id: String,
    /// Always false.
    #[schema(example = false)]
    success: bool,
    /// The reason phrase of the status.
    #[schema(example = "Not Found")]
    error: String,
    /// The same as `detail`.
    message: String,
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let about = "What went wrong. The set is closed; each has a page at `/docs/errors/<code>`.";
        words(about, Self::ALL.iter().map(|code| code.as_str()))
    }
}

impl ToSchema for Code {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ProblemCode")
    }
}

/// One of these words.
pub(crate) fn words(about: &str, words: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    let words: Vec<_> = words.collect();
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about));
    RefOr::T(schema.enum_values(Some(words)).into())
}

/// A list in the one envelope.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what answer.rs writes")]
pub(crate) struct Page<T: ToSchema> {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// The entries.
    data: Vec<T>,
    /// Where this page lies.
    pagination: crate::paging::Pagination,
}

/// Everything there is, in the one envelope.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what answer.rs writes")]
pub(crate) struct All<T: ToSchema> {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// The entries.
    data: Vec<T>,
}

/// One thing in the one envelope.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what answer.rs writes")]
pub(crate) struct One<T: ToSchema> {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// The thing.
    data: T,
}

/// A secret, at least 8 characters; or where it is, when the server should not keep it:
/// `env:NAME`, an environment variable of the server that is not its own; `file:PATH`, a file of
/// the server in a folder that its setting `security.secret_files` names; or
/// `openconnector:SOURCE`, a source in OpenConnector, with `/FIELD` after it where it has several
/// secrets. What leads nowhere is refused.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 8, example = "env:DIALPAD_API_KEY")]
#[expect(
    dead_code,
    reason = "it describes texts; what holds them is a `String`"
)]
pub(crate) struct SecretText(String);
