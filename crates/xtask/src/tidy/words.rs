//! Words that no committed file may hold: paths of one machine, and hosts of package
//! registries, which differ from place to place.

use super::Finding;

/// Folders of developers' machines. Put together here so that this file does not break its rule.
const MACHINE_FOLDERS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

/// First labels of the hosts that registries serve from.
const REGISTRY_LABELS: &[&str] = &[
    "deb", "files", "ftp", "index", "mirror", "mirrors", "registry", "snapshot", "static",
];
/// Last labels that tell a host from a chain of method calls.
const TOP_LEVELS: &[&str] = &["com", "dev", "internal", "io", "local", "net", "org"];

/// All rules for one file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
        if let Some(folder) = machine_folder(line) {
            let text = format!(
                "`{folder}` is a path of one machine; name it from the root of the repository"
            );
            findings.push(Finding::new(path, number, text));
        }
        if let Some(host) = registry_host(line) {
            let text =
                format!("`{host}` is the host of a registry; leave the choice to the machine");
            findings.push(Finding::new(path, number, text));
        }
        if path.ends_with("package-lock.json") && line.contains("\"resolved\": \"http") {
            let text = "the lock file names a download address; see ui/.npmrc";
            findings.push(Finding::new(path, number, text));
        }
    }
    findings
}

/// A machine's folder at the start of a path: `x/work/` is somebody else's folder.
fn machine_folder(line: &str) -> Option<&'static str> {
    let starts = |folder: &str| {
        line.match_indices(folder).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && !"_-.}>)*/".contains(c))
        })
    };
    MACHINE_FOLDERS
        .iter()
        .copied()
        .find(|folder| starts(folder))
}

fn registry_host(line: &str) -> Option<&str> {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
    words.map(|word| word.trim_matches('.')).find(|word| {
        let mut labels = word.split('.');
        let first = labels
            .next()
            .is_some_and(|label| REGISTRY_LABELS.contains(&label));
        let last = labels
            .next_back()
            .is_some_and(|label| TOP_LEVELS.contains(&label));
        first && last && labels.next().is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_machine_are_found() {
        for folder in MACHINE_FOLDERS {
            assert_eq!(machine_folder(&format!("cd {folder}main")), Some(*folder));
            assert_eq!(machine_folder(&format!("\"{folder}a\"")), Some(*folder));
            assert_eq!(machine_folder(&format!("$DIR{folder}")), None);
        }
        assert_eq!(machine_folder("/var/lib/switchhook"), None);
    }

    #[test]
    fn registry_hosts_are_found() {
        let host = ["registry", "example", "org"].join(".");
        assert_eq!(
            registry_host(&format!("see https://{host}/x")),
            Some(host.as_str())
        );
        assert_eq!(registry_host("registry.register(a).org"), None);
        assert_eq!(registry_host("https://www.example.org/registry"), None);
        assert_eq!(registry_host("registry.io"), None);
    }

    #[test]
    fn lock_files_name_no_address() {
        let line = "  \"resolved\": \"https://a.example/x.tgz\"\n";
        assert_eq!(check("ui/package-lock.json", line).len(), 1);
        assert_eq!(check("ui/other.json", line).len(), 0);
    }
}
