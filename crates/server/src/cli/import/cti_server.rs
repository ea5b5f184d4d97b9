//! The import from the Dialpad CTI server, part by part. Each part is read by id in pieces; a
//! piece is committed, then its position is noted, so that a run that is killed loses one piece
//! of work at most and repeats it harmlessly.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use switchhook_domain::fold::LOST_AFTER;
use switchhook_domain::id::AppId;
use switchhook_domain::signal::{Signal, date_undated};
use switchhook_engine::store::{Changeset, FoldInput};
use switchhook_storage::predecessor::{CtiServerDatabase, Row, Table};
use uuid::Uuid;

use super::CtiServerArgs;
use super::dialect::{Dialect, text};
use super::settling::{self, Ready};
use crate::cli::{audit, output};
use crate::wire::Parts;

/// Rows read and committed at a time.
const PIECE: u32 = 200;
/// The most rows whose fault is told one by one.
const TOLD: usize = 20;

/// What has become of the rows of one part.
#[derive(Debug, Default)]
struct Tally {
    there: u64,
    before: u64,
    taken: u64,
    refused: u64,
}

struct Import<'a> {
    parts: &'a Parts,
    args: &'a CtiServerArgs,
    database: CtiServerDatabase,
    dialect: Dialect,
    /// The connection that stands for each app's rows.
    apps: HashMap<AppId, Ready>,
    faults: Vec<String>,
}

pub(super) async fn run(parts: &Parts, args: &CtiServerArgs) -> anyhow::Result<()> {
    let url = settling::opened(&args.from)?;
    let database = CtiServerDatabase::open(url.expose()).await;
    let database = database.context("cannot read the database of the Dialpad CTI server")?;
    let dialect = Dialect {
        zone: args.timezone.clone(),
        stale_before: parts.clock.now() - LOST_AFTER,
    };
    let mut import = Import {
        parts,
        args,
        database,
        dialect,
        apps: HashMap::new(),
        faults: Vec::new(),
    };
    if import.database.count(Table::Apps).await?.is_none() {
        bail!("there is no table `apps`: this is not the database of a Dialpad CTI server");
    }
    if args.dry_run {
        return import.survey().await;
    }
    let mut tallies = vec![("apps", import.take_apps().await?)];
    for table in [
        Table::Mappings,
        Table::Calls,
        Table::Voicemails,
        Table::Messages,
    ] {
        tallies.push((table.as_str(), import.take(table).await?));
    }
    import.sum_up(&tallies);
    Ok(())
}

impl Import<'_> {
    /// Says what there is.
    async fn survey(&self) -> anyhow::Result<()> {
        let mut rows = vec![vec!["PART".to_owned(), "ROWS".to_owned()]];
        let tables = [
            Table::Apps,
            Table::Connections,
            Table::Mappings,
            Table::Calls,
            Table::Voicemails,
            Table::Messages,
        ];
        for table in tables {
            let count = self.database.count(table).await?;
            let count = count.map_or("not in this schema".to_owned(), |count| count.to_string());
            rows.push(vec![table.as_str().to_owned(), count]);
        }
        output::table(&rows);
        output::remark("Nothing was taken over (--dry-run).");
        Ok(())
    }

    /// All apps, each with its connection. Done whole at every run: there are few.
    async fn take_apps(&mut self) -> anyhow::Result<Tally> {
        let sign_ins = self.sign_ins().await?;
        let mut tally = Tally::default();
        let mut after = Uuid::nil();
        loop {
            let rows = self.database.rows(Table::Apps, after, PIECE).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for row in rows
                .iter()
                .filter(|row| self.args.app.is_none_or(|app| app == row.id))
            {
                tally.there += 1;
                let app = AppId(row.id);
                if settling::app(self.parts, self.args, &self.dialect, row).await? {
                    tally.taken += 1;
                    let target = format!("app {app}");
                    let noted = audit::note(self.parts, app, "app import", &target).await;
                    noted.map_err(|_| anyhow::anyhow!("cannot write the audit log"))?;
                } else {
                    tally.before += 1;
                }
                let signed_in = sign_ins.get(&app);
                let ready = settling::connection(self.parts, self.args, app, signed_in).await?;
                if let Some(row) = signed_in {
                    let (parts, args) = (self.parts, self.args);
                    if !settling::sign_in(parts, args, &self.dialect, &ready, row).await? {
                        let what = "its sign-in at Dialpad was not taken over";
                        output::remark(&format!("app {app}: {what}; sign in again."));
                    }
                }
                self.apps.insert(app, Arc::new(ready));
            }
        }
        Ok(tally)
    }

    /// The sign-in of each app; the one changed last, where there are several.
    async fn sign_ins(&self) -> anyhow::Result<HashMap<AppId, Row>> {
        let mut found: HashMap<AppId, Row> = HashMap::new();
        if self.database.count(Table::Connections).await?.is_none() {
            return Ok(found);
        }
        let mut after = Uuid::nil();
        loop {
            let rows = self.database.rows(Table::Connections, after, PIECE).await?;
            let Some(last) = rows.last() else {
                return Ok(found);
            };
            after = last.id;
            for row in rows {
                let Some(app) = app_of(&row) else { continue };
                let changed = |row: &Row| self.dialect.time(&row.columns, "updated_at");
                if found
                    .get(&app)
                    .is_none_or(|old| changed(old) <= changed(&row))
                {
                    found.insert(app, row);
                }
            }
        }
    }

    /// One part, from where the last run stopped.
    async fn take(&mut self, table: Table) -> anyhow::Result<Tally> {
        let Some(there) = self.database.count(table).await? else {
            return Ok(Tally::default());
        };
        let mut tally = Tally {
            there,
            ..Tally::default()
        };
        let source = match self.args.app {
            Some(app) => format!("{}?app={app}", self.database.name()),
            None => self.database.name().to_owned(),
        };
        let store = &self.parts.store;
        let mut after = Uuid::nil();
        if !self.args.again
            && let Some(position) = store.import_position(&source, table.as_str()).await?
        {
            after = position.parse().unwrap_or(Uuid::nil());
        }
        let bar = bar(table, there);
        loop {
            let rows = self.database.rows(table, after, PIECE).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            self.piece(table, &rows, &mut tally).await?;
            let position = after.to_string();
            let noted = store.put_import_position(&source, table.as_str(), Some(&position));
            noted.await?;
            bar.inc(rows.len() as u64);
        }
        bar.finish_and_clear();
        tally.before = there.saturating_sub(tally.taken + tally.refused);
        Ok(tally)
    }

    async fn piece(&mut self, table: Table, rows: &[Row], tally: &mut Tally) -> anyhow::Result<()> {
        let mut by_app: BTreeMap<AppId, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            match app_of(row).filter(|app| self.apps.contains_key(app)) {
                Some(app) => by_app.entry(app).or_default().push(row),
                None if self.args.app.is_some() => {}
                None => self.refuse(table, row, "it belongs to no app that is there", tally),
            }
        }
        for (app, rows) in by_app {
            let Some(ready) = self.apps.get(&app).cloned() else {
                continue;
            };
            let mut signals = Vec::new();
            for row in rows {
                match self.signals(table, &ready, row) {
                    Ok(told) => {
                        signals.extend(told);
                        tally.taken += 1;
                    }
                    Err(why) => self.refuse(table, row, &why, tally),
                }
            }
            self.commit(&ready, signals).await?;
        }
        Ok(())
    }

    /// What a row says, by the adapter's own reading.
    fn signals(&self, table: Table, ready: &Ready, row: &Row) -> Result<Vec<Signal>, String> {
        let columns = &row.columns;
        let events = match table {
            Table::Calls => self.dialect.call(columns),
            Table::Voicemails => self.dialect.voicemail(columns),
            Table::Messages => self.dialect.message(columns),
            Table::Apps | Table::Connections | Table::Mappings => Ok(Vec::new()),
        };
        let mut signals = Vec::new();
        for event in events? {
            let bytes = Value::to_string(&event).into_bytes();
            let decoded = ready.adapter.decode(&bytes, &ready.context);
            signals.extend(decoded.map_err(|error| error.to_string())?.signals);
        }
        date_undated(&mut signals, self.parts.clock.now());
        Ok(signals)
    }

    async fn commit(&self, ready: &Ready, signals: Vec<Signal>) -> anyhow::Result<()> {
        if signals.is_empty() {
            return Ok(());
        }
        let changeset = Changeset {
            app_id: ready.app.id,
            at: self.parts.clock.now(),
            random: self.parts.intake.entropy().random(),
            notification: None,
            fold: Some(FoldInput {
                connection_id: ready.row.id,
                platform: ready.row.platform.as_str().into(),
                country: ready.app.country.as_str().into(),
                signals,
                settle: Vec::new(),
                roster: None,
                history: true,
            }),
            events: Vec::new(),
            link: None,
        };
        self.parts.store.commit(changeset).await?;
        Ok(())
    }

    fn refuse(&mut self, table: Table, row: &Row, why: &str, tally: &mut Tally) {
        tally.refused += 1;
        if self.faults.len() < TOLD {
            self.faults
                .push(format!("{} {}: {why}", table.as_str(), row.id));
        }
    }

    fn sum_up(&self, tallies: &[(&str, Tally)]) {
        let heading = ["PART", "THERE", "TAKEN OVER", "HAD BEFORE", "REFUSED"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        for (part, tally) in tallies {
            let counts = [tally.there, tally.taken, tally.before, tally.refused];
            let mut row = vec![(*part).to_owned()];
            row.extend(counts.map(|count| count.to_string()));
            rows.push(row);
        }
        output::table(&rows);
        let refused: u64 = tallies.iter().map(|(_, tally)| tally.refused).sum();
        for fault in &self.faults {
            output::remark(fault);
        }
        let more = refused.saturating_sub(self.faults.len() as u64);
        if more > 0 {
            output::remark(&format!("and {more} more"));
        }
    }
}

fn app_of(row: &Row) -> Option<AppId> {
    text(&row.columns, "app_id")?.parse().ok()
}

fn bar(table: Table, rows: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows);
    let template = "{prefix:>24} [{bar:40}] {human_pos}/{human_len}  {per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_prefix(table.as_str())
}
