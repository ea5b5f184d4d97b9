//! The audit log written out: line by line, with the hashes, so that whoever holds it can have it
//! checked with `switchhook audit verify --file`. That it was written out is on record too.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use futures_util::stream::try_unfold;
use serde_json::json;
use switchhook_domain::id::AppId;
use switchhook_engine::audit::{HEADINGS, line, row};
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{Store, StoreError};

use crate::audit::Trace;
use crate::auth::{Caller, Operator};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::{Inner, Shared};

/// Entries read at a time.
const PAGE: u32 = 500;

errors!(ExportErrors: CALLER []);
errors!(OperatorExportErrors: OPERATOR [InvalidParameter]);

/// Export the audit log
///
/// The oldest entry first, one JSON object a line with every member the hashes are made of:
/// `switchhook audit verify --file` checks it. As `csv` it is for people and cannot be checked. The
/// export itself is on record.
#[utoipa::path(
    get, path = "/api/audit/export", tag = "Audit", operation_id = "export_audit",
    params(
        ("format" = Option<String>, Query, description = "`ndjson` (when left out) or `csv`."),
        ("since" = Option<String>, Query, description = "Only from then on, RFC 3339."),
        ("until" = Option<String>, Query, description = "Only before then, RFC 3339."),
    ),
    responses(
        (status = 200, description = "The entries.", content(
            (String = "application/x-ndjson"), (String = "text/csv"),
        )),
        ExportErrors,
    ),
    security(("key" = ["audit:read"]), ("session" = [])),
)]
pub(crate) async fn own(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::AuditRead)?;
    export(&shared, Some(caller.app()), &trace, &uri).await
}

/// Export the operators' audit log
///
/// As [export the audit log](#operation/export_audit), of what belongs to no app.
#[utoipa::path(
    get, path = "/internal/audit/export", tag = "Audit", operation_id = "export_operator_audit",
    params(
        ("format" = Option<String>, Query, description = "`ndjson` (when left out) or `csv`."),
        ("since" = Option<String>, Query, description = "Only from then on, RFC 3339."),
        ("until" = Option<String>, Query, description = "Only before then, RFC 3339."),
    ),
    responses(
        (status = 200, description = "The entries.", content(
            (String = "application/x-ndjson"), (String = "text/csv"),
        )),
        OperatorExportErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn operators(
    State(shared): State<Shared>,
    _: Operator,
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    export(&shared, None, &trace, &uri).await
}

/// How far an export has got.
struct Reading {
    store: Arc<dyn Store>,
    app: Option<AppId>,
    csv: bool,
    last: u64,
    end: u64,
    hash: [u8; 32],
    begun: bool,
}

impl Reading {
    /// The next piece of the export; nothing at its end.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        let mut text = String::new();
        if self.csv && !self.begun {
            text.push_str(HEADINGS);
            text.push_str("\r\n");
        }
        self.begun = true;
        if self.last < self.end {
            let page = self.store.audit_after(self.app, self.last, PAGE).await?;
            if page.is_empty() {
                self.last = self.end;
            }
            for entry in page.iter().take_while(|entry| entry.no <= self.end) {
                if self.csv {
                    text.push_str(&row(entry));
                    text.push('\r');
                } else {
                    text.push_str(&line(entry, &self.hash));
                }
                text.push('\n');
                (self.last, self.hash) = (entry.no, entry.hash);
            }
        }
        Ok((!text.is_empty()).then(|| (Bytes::from(text), self)))
    }
}

async fn export(
    shared: &Inner,
    app: Option<AppId>,
    trace: &Trace,
    uri: &Uri,
) -> Result<Response, Problem> {
    let params = Params::read(uri, &["format", "since", "until"])?;
    let csv = match params.one("format")? {
        None | Some("ndjson") => false,
        Some("csv") => true,
        Some(_) => return Err(Problem::parameter("format", "must be ndjson or csv")),
    };
    let (since, until) = (params.time("since")?, params.time("until")?);
    let (first, end) = shared.audit.span(app, since, until).await?;
    let reading = Reading {
        store: shared.store.clone(),
        app,
        csv,
        last: first,
        end,
        hash: shared.audit.hash_of(app, first).await?,
        begun: false,
    };
    trace.tell(json!({ "exported": { "after": first, "up_to": end } }));
    let mut response = Response::new(Body::from_stream(try_unfold(reading, Reading::next)));
    let (kind, file) = if csv {
        (
            "text/csv; charset=utf-8",
            "attachment; filename=\"audit.csv\"",
        )
    } else {
        (
            "application/x-ndjson",
            "attachment; filename=\"audit.ndjson\"",
        )
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(file));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
