//! Lists what there is to fuzz, and lays out the fixtures as seeds: what `scripts/fuzz.sh` asks of
//! the built target, so that the script need not guess what the registry holds.

use std::path::{Path, PathBuf};
use std::process::exit;
use std::{env, fs, io};

use switchhook_adapters::registry;

/// Does what `FUZZ_ASK` says and ends the process; without it there is nothing to do.
/// `platforms` prints the platforms; `seeds TARGET FOLDER` fills the folder.
pub fn answer() {
    let Ok(asked) = env::var("FUZZ_ASK") else {
        return;
    };
    let done = match asked.split(' ').collect::<Vec<_>>()[..] {
        ["platforms"] => {
            for adapter in registry().all() {
                println!("{}", adapter.spec().platform);
            }
            Ok(())
        }
        ["seeds", target, folder] => lay_out(target, Path::new(folder)),
        _ => Err(io::Error::other(
            "FUZZ_ASK is `platforms` or `seeds TARGET FOLDER`",
        )),
    };
    match done {
        Ok(()) => exit(0),
        Err(error) => {
            eprintln!("{error}");
            exit(2)
        }
    }
}

/// Copies what a target starts from into a folder: each notification of the platform's fixtures
/// as a file of its own; for other targets whatever looks like a number.
fn lay_out(target: &str, folder: &Path) -> io::Result<()> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let adapter = registry().get(target);
    let under = adapter.map_or(fixtures.clone(), |_| fixtures.join(target));
    let mut files = Vec::new();
    collect(&under, &mut files)?;
    for file in files {
        let bytes = fs::read(&file)?;
        let parts: Vec<&[u8]> = match adapter {
            Some(adapter) => adapter.split(&bytes),
            None => bytes
                .split(|byte| *byte == b'"')
                .filter(|part| is_number(part))
                .collect(),
        };
        for part in parts {
            // The name is a digest, so that the same seed is there once.
            let name = part.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
            fs::write(folder.join(format!("{name:016x}")), part)?;
        }
    }
    Ok(())
}

fn is_number(part: &[u8]) -> bool {
    (3..24).contains(&part.len())
        && part.iter().filter(|byte| byte.is_ascii_digit()).count() * 2 > part.len()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            collect(&path, files)?;
        } else if name.starts_with(|c: char| c.is_ascii_digit()) {
            files.push(path);
        }
    }
    Ok(())
}
