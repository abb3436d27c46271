//! A full disk, at the first run and during production; and a medium that cannot be written.
//!
//! The disk is a small file system in memory, mounted in a mount namespace of its own: the outer test starts the inner one
//! there, and the mount is gone with it, however it ends. Only root can do that; anybody else skips.

use crate::books::{Books, assert_whole, settle};
use crate::support::{Country, PATIENCE, Ran, Up, cards, copy, free_ports, in_dir, neweid, template};
use std::path::{Path, PathBuf};
use std::process::Command;

const PLACE: &str = "NEWEID_TEST_PLACE";
const TEMPLATE: &str = "NEWEID_TEST_TEMPLATE";

// Runs an ignored test of this file in a mount namespace, with a directory to mount on.
fn in_a_namespace(test: &str, with_template: bool) {
    let possible = Command::new("unshare").args(["--mount", "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: only root can mount a small disk");
        return;
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "--"])
        .arg(std::env::current_exe().expect("ourselves"));
    command.args(["--exact", &format!("disk::{test}"), "--ignored", "--nocapture"]).env(PLACE, place.path());
    if with_template {
        command.env(TEMPLATE, &template().pristine);
    }
    // What hangs in there is told in there.
    let ran = Ran::within(6 * PATIENCE, &mut command);
    assert!(ran.code == Some(0) && ran.stdout.contains("1 passed"), "{ran}");
}

// A file system of this size at the place the outer test gave.
fn small_disk(kilobytes: u64) -> PathBuf {
    let place = PathBuf::from(std::env::var_os(PLACE).expect("run by the outer test"));
    mount(&["-t", "tmpfs", "-o", &format!("size={kilobytes}k,mode=700"), "tmpfs"], &place);
    place
}

fn mount(args: &[&str], place: &Path) {
    let done = Command::new("mount").args(args).arg(place).output().expect("mount is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn resize(place: &Path, kilobytes: u64) {
    mount(&["-o", &format!("remount,size={kilobytes}k")], place);
}

// Not a page is left. Whoever writes meanwhile may have taken one since it was counted: then it is counted again.
fn fill(place: &Path) {
    let filled = (0..100).any(|_| {
        let size = format!("remount,size={}k", used(place));
        let done = Command::new("mount").args(["-o", &size]).arg(place).output().expect("mount is there");
        done.status.success()
    });
    assert!(filled, "somebody writes without end");
}

// Kilobytes in use.
fn used(place: &Path) -> u64 {
    let out = Command::new("df").args(["--output=used", "-k"]).arg(place).output().expect("df is there");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines().nth(1).and_then(|line| line.trim().parse().ok()).expect("a number")
}

// Full at many places of the first run, each time with a little more room than before; with enough room the run goes to
// its end, and nothing is lost or doubled. The message is the same wherever it happens.
#[test]
fn a_disk_that_is_full_during_the_first_run() {
    in_a_namespace("first_run_on_a_small_disk", false);
}

#[test]
#[ignore = "run by a_disk_that_is_full_during_the_first_run on a disk of its own"]
fn first_run_on_a_small_disk() {
    let disk = small_disk(4);
    let dir = disk.join("country");
    let mut full = 0;
    let mut size = 4;
    while size < 40_000 {
        let mut up = Up::spawn(&dir, &[]);
        let begun = std::time::Instant::now();
        let ended = loop {
            if let Some(status) = up.ended() {
                break Some(status);
            }
            if dir.join("endpoints.json").exists() {
                break None;
            }
            assert!(begun.elapsed() < PATIENCE, "hangs on a full disk: {}", up.stderr());
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        if ended.is_none() {
            up.kill();
            break;
        }
        up.wait().fails(1, "NEWEID-E-DISK-FULL");
        full += 1;
        // In small steps where the files are small, in larger ones where the databases grow.
        size = (size + 12).max(used(&disk) + size / 6);
        resize(&disk, size);
    }
    assert!(full >= 8, "the disk was full {full} times only");
    resize(&disk, 60_000);
    settle(&dir);
    assert_whole(&dir, 0);
}

#[test]
fn a_disk_that_is_full_during_production() {
    in_a_namespace("production_on_a_small_disk", true);
}

#[test]
#[ignore = "run by a_disk_that_is_full_during_production on a disk of its own"]
fn production_on_a_small_disk() {
    let disk = small_disk(100_000);
    let dir = disk.join("country");
    copy(Path::new(&std::env::var_os(TEMPLATE).expect("run by the outer test")), &dir);
    settle(&dir);
    let demo = || {
        Ran::of(
            neweid().args(["demo", "--json", "--port-base", &free_ports().to_string(), "--dir"]).arg(&dir),
        )
    };
    let mut full = 0;
    for room in [0, 60, 150, 300, 600] {
        resize(&disk, used(&disk) + room);
        let ran = demo();
        if ran.code == Some(0) {
            break;
        }
        ran.fails_in_json(1, "NEWEID-E-DISK-FULL");
        full += 1;
        resize(&disk, 100_000);
    }
    assert!(full >= 3, "the disk was full {full} times only");
    resize(&disk, 100_000);
    // What was begun is finished once there is room, and the next journey goes through.
    settle(&dir);
    assert_eq!(demo().code, Some(0));
    settle(&dir);
    let batched = "SELECT count(*) FROM application WHERE serial IS NOT NULL";
    let made = Books::of(&dir).count("mgmt", batched);
    assert_whole(&dir, usize::try_from(made).expect("few") - 11);
}

// A country up while its disk fills: it goes on answering, and takes up its work again when there is room.
#[test]
fn a_disk_that_fills_under_a_running_country() {
    in_a_namespace("running_on_a_small_disk", true);
}

#[test]
#[ignore = "run by a_disk_that_fills_under_a_running_country on a disk of its own"]
fn running_on_a_small_disk() {
    let disk = small_disk(100_000);
    let dir = disk.join("country");
    copy(Path::new(&std::env::var_os(TEMPLATE).expect("run by the outer test")), &dir);
    let up = Up::start(&dir);
    fill(&disk);
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    assert_eq!(crate::support::get(&up.web(), "/").status, 200);
    assert_eq!(crate::support::get(&up.status(), "/crl/npc.crl").status, 200);
    in_dir(&dir, ["demo", "--json"]).fails_in_json(1, "NEWEID-E-DISK-FULL");
    resize(&disk, 100_000);
    let ran = in_dir(&dir, ["demo", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    up.stop();
    settle(&dir);
    let made = Books::of(&dir).count("mgmt", "SELECT count(*) FROM application WHERE serial IS NOT NULL");
    assert_whole(&dir, usize::try_from(made).expect("few") - 11);
}

#[test]
fn a_medium_that_cannot_be_written() {
    in_a_namespace("on_a_read_only_disk", true);
}

#[test]
#[ignore = "run by a_medium_that_cannot_be_written on a disk of its own"]
fn on_a_read_only_disk() {
    let disk = small_disk(100_000);
    let dir = disk.join("country");
    copy(Path::new(&std::env::var_os(TEMPLATE).expect("run by the outer test")), &dir);
    let before = cards(&dir);
    mount(&["-o", "remount,ro"], &disk);
    in_dir(&dir, ["up"]).fails(1, "NEWEID-E-READ-ONLY");
    in_dir(&dir, ["demo", "--json"]).fails_in_json(1, "NEWEID-E-READ-ONLY");
    in_dir(&disk.join("fresh"), ["up"]).fails(1, "NEWEID-E-READ-ONLY");
    let out = Country::new();
    in_dir(&dir, ["pki", "export", "--out", disk.join("out").to_str().expect("a path")])
        .fails(1, "NEWEID-E-READ-ONLY");
    drop(out);
    mount(&["-o", "remount,rw"], &disk);
    assert_eq!(cards(&dir), before);
}
