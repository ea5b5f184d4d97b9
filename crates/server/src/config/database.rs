//! The section `[database]` but for the address: how many connections to PostgreSQL one node holds.
//! SQLite has none; there these settings are read and mean nothing.

use std::time::Duration;

use switchhook_storage::{MIN_CONNECTIONS, OpenOptions};

use super::{Fault, Reader};

/// More than a PostgreSQL server takes from one client that means well.
const MOST: usize = 1_000;
/// A day, in seconds.
const LONGEST: u64 = 86_400;
const MAX_KEY: &str = "database.max_connections";
const MIN_KEY: &str = "database.min_connections";

/// Connections to PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The most, all together; 0 is as many as fit the machine.
    pub max_connections: usize,
    /// So many stay open.
    pub min_connections: usize,
    /// How long one above that stays when nobody uses it, in whole seconds; zero is for ever.
    pub idle_timeout: Duration,
}

impl Default for Pool {
    fn default() -> Self {
        let options = OpenOptions::default();
        Self {
            max_connections: options.max_connections.unwrap_or(0),
            min_connections: options.min_connections,
            idle_timeout: options.idle_timeout,
        }
    }
}

impl Pool {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        Self {
            max_connections: reader.read(MAX_KEY, default.max_connections, connections),
            min_connections: reader.read(MIN_KEY, default.min_connections, connections),
            idle_timeout: reader.read("database.idle_timeout", default.idle_timeout, seconds),
        }
    }

    /// What only matters with PostgreSQL.
    pub(super) fn check(self, reader: &mut Reader<'_>) {
        let mut fault = |key: &str, problem: String| {
            if let Some(raw) = reader.raw.get(key) {
                let place = format!("{} ({key})", raw.place);
                reader.faults.push(Fault { place, problem });
            }
        };
        let (max, min) = (self.max_connections, self.min_connections);
        if (1..MIN_CONNECTIONS).contains(&max) {
            fault(
                MAX_KEY,
                format!(
                    "must be at least {MIN_CONNECTIONS}: one connection writes, one listens for \
                     other nodes, and two read; 0 is as many as fit the machine"
                ),
            );
        } else if max > 0 && min > max {
            fault(MIN_KEY, format!("must not be more than {MAX_KEY} ({max})"));
        }
    }

    /// Puts these into the options a store is opened with.
    pub fn apply(self, options: &mut OpenOptions) {
        options.max_connections = Some(self.max_connections).filter(|max| *max > 0);
        options.min_connections = self.min_connections;
        options.idle_timeout = self.idle_timeout;
    }
}

fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| *n <= MOST);
    number.ok_or_else(|| format!("must be a number of connections up to {MOST}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|n| *n <= LONGEST);
    number
        .map(Duration::from_secs)
        .ok_or_else(|| format!("must be a number of seconds up to {LONGEST}; 0 is for ever"))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Environment, Overrides};
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Pool, Vec<Fault>> {
        let environment = Environment::from_pairs(variables.iter().copied());
        Config::load(&Overrides::default(), &environment).map(|config| config.pool)
    }

    fn on_postgres(variables: &[(&str, &str)]) -> Result<Pool, Vec<Fault>> {
        let key = "ab".repeat(32);
        let base = [
            ("DATABASE_URL", "postgres://u@h/d"),
            ("SWITCHHOOK__SECURITY__MASTER_KEY", key.as_str()),
        ];
        load(&[&base, variables].concat())
    }

    fn told(variables: &[(&str, &str)]) -> String {
        let faults = on_postgres(variables).unwrap_err();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        told.join("\n")
    }

    #[test]
    fn the_predecessors_variables_count() {
        let pool = on_postgres(&[("DB_MAX_CLIENTS", "12"), ("DB_IDLE_TIMEOUT", "1500")]).unwrap();
        assert_eq!(pool.max_connections, 12);
        assert_eq!(pool.idle_timeout, Duration::from_secs(2), "rounded up");
        let guides = [("DB_POOL_MIN", "2"), ("DB_POOL_MAX", "10")];
        let pool = on_postgres(&guides).unwrap();
        assert_eq!((pool.min_connections, pool.max_connections), (2, 10));
        // What its code read wins over what only its guides name, and ours over both.
        let both = [&guides[..], &[("DB_MAX_CLIENTS", "20")]].concat();
        assert_eq!(on_postgres(&both).unwrap().max_connections, 20);
        let ours = [("SWITCHHOOK__DATABASE__MAX_CONNECTIONS", "30")];
        let pool = on_postgres(&[&both[..], &ours].concat()).unwrap();
        assert_eq!(pool.max_connections, 30);
        let never = on_postgres(&[("DB_IDLE_TIMEOUT", "0")]).unwrap();
        assert!(never.idle_timeout.is_zero());
    }

    #[test]
    fn too_few_is_a_fault_with_postgres_only() {
        let few = [("DB_MAX_CLIENTS", "3")];
        let told = told(&few);
        assert!(
            told.contains("$DB_MAX_CLIENTS") && told.contains("at least 4"),
            "{told}"
        );
        assert_eq!(load(&few).unwrap().max_connections, 3);
    }

    #[test]
    fn nonsense_is_a_fault_with_its_place() {
        for (name, value) in [
            ("DB_MAX_CLIENTS", "ten"),
            ("DB_POOL_MAX", "-1"),
            ("DB_POOL_MIN", "1001"),
            ("DB_IDLE_TIMEOUT", "30s"),
            ("SWITCHHOOK__DATABASE__IDLE_TIMEOUT", "86401"),
        ] {
            let told = told(&[(name, value)]);
            assert!(told.contains(&format!("${name}")), "{told}");
            assert!(!told.contains('\n'), "one fault: {told}");
        }
        let told = told(&[("DB_POOL_MIN", "11"), ("DB_POOL_MAX", "10")]);
        assert!(
            told.contains("$DB_POOL_MIN") && told.contains("(10)"),
            "{told}"
        );
    }

    #[test]
    fn the_store_is_opened_with_them() {
        let mut options = OpenOptions::default();
        Pool::default().apply(&mut options);
        assert_eq!(options.max_connections, None);
        let own = Pool {
            max_connections: 9,
            min_connections: 5,
            idle_timeout: Duration::from_secs(7),
        };
        own.apply(&mut options);
        assert_eq!(options.max_connections, Some(9));
        assert_eq!(
            (options.min_connections, options.idle_timeout.as_secs()),
            (5, 7)
        );
    }
}
