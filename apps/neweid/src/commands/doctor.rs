//! `neweid doctor`: what this machine has, what it lacks, and the one line that mends it.

use crate::cli::Doctor;
use crate::failure::Failure;
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Serialize)]
struct Finding {
    name: &'static str,
    needed_for: &'static str,
    required: bool,
    present: bool,
    detail: String,
    mend: String,
}

// What is looked for: a name, whether the country can run without it, what it is for, the Debian package.
const PROGRAMS: &[(&str, bool, &str, &str)] = &[
    ("openssl", false, "示範的外部驗證 foreign verdicts in the demonstration", "openssl"),
    ("pcscd", false, "讀卡機服務 smart card readers", "pcscd"),
    ("opensc-tool", false, "OpenSC 測試 OpenSC judge", "opensc"),
    ("zbarimg", false, "條碼驗證 barcode judge", "zbar-tools"),
    ("softhsm2-util", false, "PKCS#11 測試 PKCS#11 tests", "softhsm2"),
    ("java", false, "JMRTD 測試 JMRTD judge", "default-jdk-headless"),
    ("mvn", false, "JMRTD 測試 JMRTD judge", "maven"),
    ("go", false, "zlint 測試 zlint judge", "golang-go"),
    ("chromium", false, "網頁測試 browser tests", "chromium"),
];

const FILES: &[(&str, bool, &str, &str, &[&str])] = &[
    (
        "vpcd",
        false,
        "虛擬讀卡機 virtual readers",
        "vsmartcard-vpcd",
        &["/usr/lib/pcsc/drivers/serial/libifdvpcd.so", "/etc/reader.conf.d/vpcd"],
    ),
    (
        "CNS 11643 fonts",
        false,
        "卡面罕用字 rare characters on the card face",
        "fonts-cns11643-kai fonts-cns11643-sung",
        &["/usr/share/fonts/truetype/cns11643", "/usr/share/fonts/truetype/fonts-cns11643-kai"],
    ),
    (
        "OCR-B font",
        false,
        "卡面機讀碼 machine readable zone on the card face",
        "fonts-ocr-b",
        &["/usr/share/fonts/opentype/ocr-b/OCRB.otf"],
    ),
    (
        "BabelStone Han font",
        false,
        "卡面第三字面罕用字 characters of plane 3 on the card face",
        "fonts-babelstone-han",
        &["/usr/share/fonts/truetype/babelstone/BabelStoneHan.ttf"],
    ),
    (
        "Noto CJK fonts",
        false,
        "卡面黑體字 sans-serif text on the card face",
        "fonts-noto-cjk",
        &["/usr/share/fonts/opentype/noto"],
    ),
    ("postgres", false, "PostgreSQL 測試 PostgreSQL tests", "postgresql", &["/usr/lib/postgresql"]),
];

/// Runs the command: exit code 1 when something required is missing.
pub fn run(arguments: &Doctor) -> Result<ExitCode, Failure> {
    let mut findings: Vec<Finding> = PROGRAMS
        .iter()
        .map(|(name, required, needed_for, package)| {
            let found = find_program(name);
            Finding {
                name,
                needed_for,
                required: *required,
                present: found.is_some(),
                detail: found.map_or_else(String::new, |path| path.display().to_string()),
                mend: format!("apt-get install -y {package}"),
            }
        })
        .collect();
    findings.extend(FILES.iter().map(|(name, required, needed_for, package, paths)| {
        let found = paths.iter().find(|path| Path::new(path).exists());
        Finding {
            name,
            needed_for,
            required: *required,
            present: found.is_some(),
            detail: found.map_or_else(String::new, |path| (*path).to_owned()),
            mend: format!("apt-get install -y {package}"),
        }
    }));
    findings.push(Finding {
        name: "pcscd (running)",
        needed_for: "neweid card insert, neweid read",
        required: false,
        present: Path::new("/run/pcscd/pcscd.comm").exists(),
        detail: "/run/pcscd/pcscd.comm".into(),
        mend: "systemctl start pcscd  (or, without systemd: pcscd)".into(),
    });
    let vpcd = SocketAddr::from((Ipv4Addr::LOCALHOST, crate::vpcd::CONTACT_PORT));
    findings.push(Finding {
        name: "vpcd (listening)",
        needed_for: "neweid card insert",
        required: false,
        present: TcpStream::connect_timeout(&vpcd, Duration::from_millis(300)).is_ok(),
        detail: vpcd.to_string(),
        mend: "start pcscd after installing vsmartcard-vpcd".into(),
    });
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&findings).map_err(Failure::ours)?);
    } else {
        print(&findings);
    }
    let broken = findings.iter().any(|f| f.required && !f.present);
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(findings: &[Finding]) {
    say!("本機檢查 This machine\n");
    for finding in findings {
        let mark = if finding.present { "有 ok     " } else { "缺 missing" };
        say!("  {mark}  {:<20} {}", finding.name, finding.needed_for);
        if finding.present {
            say!("              {}", finding.detail);
        } else {
            say!("              → {}", finding.mend);
        }
    }
    let missing = findings.iter().filter(|f| !f.present).count();
    say!(
        "\n系統本身不需要以上任何一項即可啟動；缺少的只影響所列用途。\n\
         The country itself starts without any of these; what is missing matters for the use beside it only. Missing: {missing}"
    );
}

/// The path of a program in PATH or one of the system directories, or `None`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}
