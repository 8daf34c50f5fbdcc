//! Files that are right, wrong, missing, and on their way.

use std::{
    fs::{self, File},
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    thread,
};

use function_runner_core::{Digest, FailureClass};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;

const CONTENT: &[u8] = b"weights that mean nothing";

fn sum(content: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(content).into())
}

/// A model of these files.
fn model(files: &[(&str, &[u8])]) -> Manifest {
    let files: Vec<_> = files
        .iter()
        .map(|(name, content)| serde_json::json!({ "name": name, "sha256": sum(content), "size": content.len() }))
        .collect();
    let text = serde_json::json!({
        "format": 1, "name": "probe", "title": "A probe", "kind": "probe", "licence": "MIT",
        "licence_file": "LICENSE.probe.txt", "files": files,
        "source": { "registry": "npm", "package": "probe", "version": "1.0.0", "files": ["probe.bin"] },
    });
    Manifest::parse(&text.to_string()).unwrap()
}

fn probe() -> Manifest {
    model(&[("probe.safetensors", CONTENT)])
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn installed(folder: &TempDir, content: impl Read) -> Result<PathBuf, ModelError> {
    let model = probe();
    install(&model, &model.files[0], content, folder.path())
}

#[test]
fn what_is_installed_is_found_and_verified() {
    let folder = TempDir::new().unwrap();
    let (model, folders) = (probe(), Folders::only(folder.path()));
    assert_eq!(folders.state(&model), State::Missing);
    assert!(matches!(folders.verified(&model), Err(ModelError::Missing { .. })));
    let path = installed(&folder, CONTENT).unwrap();
    assert_eq!(path, folder.path().join("probe.safetensors"));
    assert_eq!(folders.state(&model), State::Present { path: path.clone() });
    assert_eq!(folders.verified(&model).unwrap(), path);
    assert_eq!(names(folder.path()), ["probe.safetensors"]);
}

#[test]
fn a_wrong_file_is_refused_with_its_path_what_is_expected_and_the_remedy() {
    let folder = TempDir::new().unwrap();
    let (model, folders) = (probe(), Folders::only(folder.path()));
    let path = folder.path().join("probe.safetensors");
    fs::write(&path, &CONTENT[1..]).unwrap();
    let error = folders.verified(&model).unwrap_err();
    let text = format!("{} is not the file of the model `probe`: it has 24 bytes, not 25", path.display());
    assert_eq!(error.to_string(), text);
    assert!(error.remedy().starts_with("`fnr models install probe --from PATH-OR-URL` "));
    let what = "it has 24 bytes, not 25".to_owned();
    assert_eq!(folders.state(&model), State::Wrong { path: path.clone(), what });

    let other = CONTENT.to_ascii_uppercase();
    fs::write(&path, &other).unwrap();
    let text = folders.verified(&model).unwrap_err().to_string();
    let sums = format!("its SHA-256 is {}, not {}", sum(&other), sum(CONTENT));
    assert!(text.ends_with(&sums), "{text}");
    assert!(matches!(folders.state(&model), State::Present { .. }), "its size alone is looked at");
}

#[test]
fn what_is_no_file_is_wrong() {
    let folder = TempDir::new().unwrap();
    let (model, folders) = (probe(), Folders::only(folder.path()));
    fs::create_dir(folder.path().join("probe.safetensors")).unwrap();
    let error = folders.verified(&model).unwrap_err();
    assert!(matches!(error, ModelError::Wrong { fault: Mismatch::NoFile, .. }), "{error}");
    assert!(matches!(folders.state(&model), State::Wrong { .. }));
    assert!(matches!(installed(&folder, CONTENT), Err(ModelError::Write { .. })));
    assert_eq!(names(folder.path()), ["probe.safetensors"], "nothing is left behind");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_wrong_and_not_missing() {
    let folder = TempDir::new().unwrap();
    let (model, folders) = (probe(), Folders::only(folder.path()));
    std::os::unix::fs::symlink("nowhere", folder.path().join("probe.safetensors")).unwrap();
    assert!(matches!(folders.state(&model), State::Wrong { .. }));
    assert!(matches!(folders.verified(&model), Err(ModelError::Read { .. })));
    installed(&folder, CONTENT).unwrap();
    assert!(folders.verified(&model).is_ok());
}

#[test]
fn the_sum_is_worked_out_again_only_where_the_file_has_changed() {
    let folder = TempDir::new().unwrap();
    let (model, folders) = (probe(), Folders::only(folder.path()));
    let path = installed(&folder, CONTENT).unwrap();
    folders.verified(&model).unwrap();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    // of the same size and time, it is not read again: that is the price of not reading it for every task
    fs::write(&path, CONTENT.to_ascii_uppercase()).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert!(folders.verified(&model).is_ok());
    let later = time + std::time::Duration::from_secs(1);
    File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert!(matches!(folders.verified(&model), Err(ModelError::Wrong { .. })));
    fs::write(&path, CONTENT).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert!(folders.verified(&model).is_ok());
}

#[test]
fn all_files_of_a_model_lie_in_one_folder() {
    let (first, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let model = model(&[("a.safetensors", b"a"), ("b.json", b"bb")]);
    let folders = Folders::only(folder.path());
    fs::write(first.path().join("a.safetensors"), "a").unwrap();
    fs::write(folder.path().join("b.json"), "bb").unwrap();
    let State::Wrong { path, .. } = folders.state(&model) else { panic!("half of it is there") };
    assert_eq!(path, folder.path().join("a.safetensors"));
    assert!(folders.verified(&model).is_err());
    fs::copy(first.path().join("a.safetensors"), &path).unwrap();
    assert_eq!(folders.verified(&model).unwrap(), path);
    assert_eq!(model.size(), 3);
}

#[test]
fn what_is_not_the_file_leaves_what_was_there() {
    let folder = TempDir::new().unwrap();
    installed(&folder, CONTENT).unwrap();
    let upper = CONTENT.to_ascii_uppercase();
    let fault = |content: &[u8]| match installed(&folder, content) {
        Err(ModelError::Refused { fault, name, file }) => {
            assert_eq!((name.as_str(), file.as_str()), ("probe", "probe.safetensors"));
            fault
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(&CONTENT[..9]), Mismatch::Size { expected: 25, found: 9 });
    assert_eq!(fault(b""), Mismatch::Size { expected: 25, found: 0 });
    assert_eq!(fault(&upper), Mismatch::Sum { expected: sum(CONTENT), found: sum(&upper) });
    assert_eq!(fault(&[CONTENT, b"!"].concat()), Mismatch::TooLong { expected: 25 });
    assert_eq!(names(folder.path()), ["probe.safetensors"]);
    assert_eq!(fs::read(folder.path().join("probe.safetensors")).unwrap(), CONTENT);
}

#[test]
fn an_endless_source_is_read_one_byte_past_the_end() {
    let folder = TempDir::new().unwrap();
    let mut endless = Cursor::new(vec![0; 1 << 20]);
    let error = installed(&folder, &mut endless).unwrap_err();
    assert!(matches!(error, ModelError::Refused { fault: Mismatch::TooLong { .. }, .. }), "{error}");
    assert_eq!(endless.position(), CONTENT.len() as u64 + 1);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_source_that_fails_leaves_nothing() {
    struct Torn;
    impl Read for Torn {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("torn"))
        }
    }
    let folder = TempDir::new().unwrap();
    let error = installed(&folder, (&CONTENT[..9]).chain(Torn)).unwrap_err();
    assert!(matches!(error, ModelError::Given { .. }), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn what_is_dropped_on_its_way_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let model = probe();
    let mut install = Install::begin(&model, &model.files[0], folder.path()).unwrap();
    install.write(&CONTENT[..9]).unwrap();
    assert_eq!(names(folder.path()).len(), 1);
    drop(install);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn many_at_once_end_with_the_one_file() {
    let folder = TempDir::new().unwrap();
    thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| installed(&folder, CONTENT))).collect();
        all.into_iter().for_each(|one| drop(one.join().unwrap().unwrap()));
    });
    assert_eq!(names(folder.path()), ["probe.safetensors"]);
    assert!(Folders::only(folder.path()).verified(&probe()).is_ok());
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_one_that_is_not_there_is_made() {
    let base = TempDir::new().unwrap();
    let model = probe();
    let deep = base.path().join("not/there/yet");
    install(&model, &model.files[0], CONTENT, &deep).unwrap();
    let below = deep.join("probe.safetensors/folder");
    let error = install(&model, &model.files[0], CONTENT, &below).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write {}", below.display()));
    assert!(error.remedy().contains("set FUNCTION_RUNNER_MODELS to a folder that can be written"));
}

#[test]
fn a_full_disk_has_a_remedy_of_its_own() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let error = ModelError::Write { path: PathBuf::from("/models"), source: kind.into() };
        assert!(error.remedy().contains("free some room there"), "{}", error.remedy());
    }
}

#[cfg(unix)]
#[test]
fn an_installed_file_may_be_read_as_any_file_of_the_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    assert_eq!(mode(&installed(&folder, CONTENT).unwrap()), mode(&plain));
}

#[test]
fn a_function_that_lacks_its_model_fails_for_good_and_says_what_to_do() {
    let failure = ModelError::Missing { name: "probe".to_owned() }.into_failure();
    assert_eq!(failure.class, FailureClass::Permanent);
    assert_eq!(failure.message, "the model `probe` is not installed");
    assert!(failure.remedy.unwrap().contains("fnr models install probe --from PATH-OR-URL"));
    assert!(!is_present("no-such-model") && verified("no-such-model").is_err());
}
