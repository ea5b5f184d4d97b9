//! The folder of mapping files: every `*.toml` in it is a platform. All faults of all files are
//! told at once, as of the rest of the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use switchhook_adapters::mapped;
use switchhook_engine::adapter::Adapter;

use super::Fault;

/// The most files of a folder.
const MAX_FILES: usize = 100;

/// Reads and compiles the files of a folder, in the order of their names.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn read(folder: &Path) -> Result<Vec<Arc<dyn Adapter>>, Vec<Fault>> {
    let fault = |place: &Path, problem: String| Fault {
        place: place.display().to_string(),
        problem,
    };
    let entries = std::fs::read_dir(folder)
        .map_err(|error| vec![fault(folder, format!("cannot be read: {error}"))])?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_mapping = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml");
    let mut files: Vec<PathBuf> = paths.filter(is_mapping).collect();
    files.sort();
    if files.len() > MAX_FILES {
        let problem = format!("has more than {MAX_FILES} mapping files");
        return Err(vec![fault(folder, problem)]);
    }
    let mut adapters: BTreeMap<&'static str, Arc<dyn Adapter>> = BTreeMap::new();
    let mut faults = Vec::new();
    for file in &files {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                faults.push(fault(file, format!("cannot be read: {error}")));
                continue;
            }
        };
        match mapped::compiler(&text) {
            Ok(adapter) => {
                let name = adapter.spec().platform;
                if switchhook_adapters::registry().get(name).is_some() {
                    let problem = format!("{name} is a built-in platform; choose another name");
                    faults.push(fault(file, problem));
                } else if adapters.insert(name, adapter).is_some() {
                    let problem = format!("{name} is the name in another file too");
                    faults.push(fault(file, problem));
                }
            }
            Err(found) => faults.extend(found.iter().map(|found| Fault {
                place: format!("{}:{}:{}", file.display(), found.line, found.column),
                problem: format!("`{}` {}", found.field, found.problem),
            })),
        }
    }
    if faults.is_empty() {
        Ok(adapters.into_values().collect())
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACME: &str = "platform = \"acme\"\ntitle = \"Acme\"\nsummary = \"Acme posts JSON.\"\n\
        [signature]\nscheme = \"bearer\"\n[call]\nid = \"id\"\n[events]\npath = \"event\"\n\
        map = { ring = \"ringing\" }\n";

    #[test]
    fn every_file_is_a_platform() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("acme.toml"), ACME).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no mapping").unwrap();
        let adapters = read(folder.path()).unwrap();
        let names: Vec<_> = adapters.iter().map(|a| a.spec().platform).collect();
        assert_eq!(names, ["acme"]);
    }

    #[test]
    fn all_faults_of_all_files_are_told_with_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("a.toml", "platform = \"acme\"\nplatfrom = 1\n");
        write("b.toml", &ACME.replace("acme", "dialpad"));
        write("c.toml", ACME);
        write("d.toml", ACME);
        let faults = read(folder.path()).map(|_| ()).unwrap_err();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let all = told.join("\n");
        assert!(all.contains("a.toml:2:1: `platfrom` is not known"), "{all}");
        assert!(all.contains("`signature.scheme` is missing"), "{all}");
        assert!(
            all.contains("b.toml: dialpad is a built-in platform"),
            "{all}"
        );
        assert!(
            all.contains("d.toml: acme is the name in another file"),
            "{all}"
        );
        let gone = folder.path().join("gone");
        assert!(read(&gone).is_err());
    }
}
