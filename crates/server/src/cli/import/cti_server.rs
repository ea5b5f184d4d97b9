//! The import from the Dialpad CTI server, part by part. Each part is read by id in pieces; a
//! piece is committed, then its position is noted, so that a run that is killed loses one piece
//! of work at most and repeats it harmlessly.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use switchhook_domain::fold::LOST_AFTER;
use switchhook_domain::id::AppId;
use switchhook_domain::signal::{Signal, date_undated};
use switchhook_engine::agents::{AgentFault, Edit};
use switchhook_engine::store::{Changeset, FoldInput};
use switchhook_storage::predecessor::{CtiServerDatabase, Row, Table};
use uuid::Uuid;

use super::CtiServerArgs;
use super::dialect::{Dialect, id, text};
use super::settling::{self, Ready};
use crate::cli::deeds::{self, Done};
use crate::cli::output;
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
    /// What was taken over for each app, by part.
    taken: BTreeMap<AppId, BTreeMap<&'static str, u64>>,
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
        taken: BTreeMap::new(),
    };
    if import.database.count(Table::Apps).await?.is_none() {
        bail!("there is no table `apps`: this is not the database of a Dialpad CTI server");
    }
    if args.dry_run {
        return import.survey().await;
    }
    import.note_begin().await?;
    let mut tallies = vec![("apps", import.take_apps().await?)];
    for table in [
        Table::Mappings,
        Table::Calls,
        Table::Voicemails,
        Table::Messages,
    ] {
        tallies.push((table.as_str(), import.take(table).await?));
    }
    import.note_end(&tallies).await?;
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
                } else {
                    tally.before += 1;
                }
                let hint = self.database.key_hint(row.id).await?;
                settling::key(self.parts, app, row, hint.as_deref()).await?;
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
            let before = tally.taken;
            if table == Table::Mappings {
                self.map(app, &rows, tally).await?;
                self.count(app, table, tally.taken - before);
                continue;
            }
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
            self.count(app, table, tally.taken - before);
        }
        Ok(())
    }

    fn count(&mut self, app: AppId, table: Table, taken: u64) {
        if taken > 0 {
            let of_app = self.taken.entry(app).or_default();
            *of_app.entry(table.as_str()).or_default() += taken;
        }
    }

    /// Put on record before anything is taken over: a run that is killed has begun, at least.
    async fn note_begin(&self) -> anyhow::Result<()> {
        let how = json!({ "only_app": self.args.app, "again": self.args.again });
        self.note(None, "import begin", Some(how)).await
    }

    /// What was taken over: for each app in its own log, and all of it in the operators'.
    async fn note_end(&self, tallies: &[(&str, Tally)]) -> anyhow::Result<()> {
        for (app, taken) in &self.taken {
            self.note(
                Some(*app),
                "import rows",
                Some(json!({ "taken_over": taken })),
            )
            .await?;
        }
        let parts = tallies.iter().map(|(part, tally)| {
            let told = json!({
                "there": tally.there, "taken_over": tally.taken, "had_before": tally.before,
                "refused": tally.refused,
            });
            ((*part).to_owned(), told)
        });
        let all = Value::Object(parts.collect());
        self.note(None, "import end", Some(all)).await
    }

    async fn note(
        &self,
        app: Option<AppId>,
        action: &str,
        after: Option<Value>,
    ) -> anyhow::Result<()> {
        let done = Done {
            app,
            action,
            target: format!("dialpad-cti-server {}", self.database.name()),
            before: None,
            after,
        };
        deeds::note(self.parts, done).await
    }

    /// Users of Dialpad and the agents they are, all at once; one by one when a row is at fault.
    async fn map(&mut self, app: AppId, rows: &[&Row], tally: &mut Tally) -> anyhow::Result<()> {
        let agents = self.parts.intake.agents();
        let mapped = agents.change(app, |edit| rows.iter().try_for_each(|row| map(edit, row)));
        match mapped.await {
            Ok(()) => {
                tally.taken += rows.len() as u64;
                return Ok(());
            }
            Err(AgentFault::Store(error)) => return Err(error.into()),
            Err(_) => {}
        }
        for row in rows {
            match agents.change(app, |edit| map(edit, row)).await {
                Ok(()) => tally.taken += 1,
                Err(AgentFault::Store(error)) => return Err(error.into()),
                Err(fault) => self.refuse(Table::Mappings, row, &fault.to_string(), tally),
            }
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
                deeds: Vec::new(),
                roster: None,
                history: true,
            }),
            tasks: Vec::new(),
            events: Vec::new(),
            link: None,
        };
        self.parts.intake.commit(changeset).await?;
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

fn map(edit: &mut Edit, row: &Row) -> Result<(), AgentFault> {
    let user = id(&row.columns, "dialpad_user_id").unwrap_or_default();
    let crm = text(&row.columns, "crm_user_id").unwrap_or_default();
    edit.map("dialpad", &user, crm).map(drop)
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
