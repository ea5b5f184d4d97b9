//! Who used the cores meanwhile: the load generator, the server, and all the rest of the machine.
//! The kernel's own counts, where there are any (Linux).

use std::fs;

/// The counts at one moment, or between two.
#[derive(Clone, Copy, Default)]
pub(super) struct Cpu {
    all: u64,
    idle: u64,
    client: u64,
    server: u64,
}

impl Cpu {
    /// Now. `None` where the system does not tell.
    pub(super) fn now(server: u32) -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let first = stat.lines().next()?;
        // user nice system idle iowait irq softirq steal; what follows is counted in these.
        let fields = first.split_whitespace().skip(1).take(8);
        let fields: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
        Some(Self {
            all: fields.iter().sum(),
            idle: fields.get(3)? + fields.get(4)?,
            client: of_process("self")?,
            server: of_process(&server.to_string())?,
        })
    }

    /// Adds what was used between two moments.
    pub(super) fn add(&mut self, from: Option<Self>, to: Option<Self>) {
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        self.all += to.all.saturating_sub(from.all);
        self.idle += to.idle.saturating_sub(from.idle);
        self.client += to.client.saturating_sub(from.client);
        self.server += to.server.saturating_sub(from.server);
    }

    /// Shares of all cores, for people; empty when nothing is known.
    pub(super) fn note(&self) -> String {
        if self.all == 0 {
            return String::new();
        }
        let share = |part: u64| (100 * part + self.all / 2) / self.all;
        let rest = self
            .all
            .saturating_sub(self.idle + self.client + self.server);
        format!(
            "of all cores: server {} %, this client {} %, all else {} %",
            share(self.server),
            share(self.client),
            share(rest)
        )
    }
}

/// User and system time of a process, in the kernel's ticks.
fn of_process(process: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may hold anything; the state follows it.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}
