//! As whom the server connects, and whether the second wall stands for that role.

use switchhook_engine::store::StoreResult;

use super::session::{Target, column, fault};

/// The database role the server connects as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// True for one whom nothing is refused, row-level security not holding for it.
    pub is_superuser: bool,
    /// True for one that goes through row-level security by its own right.
    pub bypasses: bool,
    /// Tables with rows of apps whose rows it sees without having named the app. None when the
    /// second wall stands.
    pub open_tables: Vec<String>,
}

/// Asks the database.
pub(crate) async fn role(url: &str) -> StoreResult<Role> {
    let client = Target::parse(url)?.connect().await?;
    let sql = "SELECT r.rolname::text AS name, r.rolsuper AS is_superuser, \
               r.rolbypassrls AS bypasses, array(SELECT c.relname::text FROM pg_class c \
               WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace \
               AND (c.relname IN ('apps', 'audit') OR EXISTS (SELECT FROM pg_attribute a \
               WHERE a.attrelid = c.oid AND a.attname = 'app_id' AND NOT a.attisdropped)) \
               AND NOT row_security_active(c.oid) ORDER BY c.relname) AS open_tables \
               FROM pg_roles r WHERE r.rolname = current_user";
    let row = client.query_one(sql, &[]).await.map_err(fault)?;
    Ok(Role {
        name: column(&row, "name")?,
        is_superuser: column(&row, "is_superuser")?,
        bypasses: column(&row, "bypasses")?,
        open_tables: column(&row, "open_tables")?,
    })
}
