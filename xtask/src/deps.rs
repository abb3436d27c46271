//! Which crate may depend on which. The layers are the folders of the workspace; inside a layer only the edges of
//! `xtask/edges.txt` are allowed. A wrong edge fails, and so does a permission that nobody uses any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use crate::Outcome;

/// Runs the check over the manifests of the workspace.
pub(crate) fn run(root: &Path) -> Outcome {
    let rules = crate::read(&root.join("xtask/edges.txt")).map_err(|error| vec![error])?;
    let rules = Rules::parse(&rules).map_err(|error| vec![error])?;
    let packages = metadata(root).map_err(|error| vec![error])?;
    let problems = rules.judge(&packages);
    if !problems.is_empty() {
        return Err(problems);
    }
    let edges: usize = packages.iter().map(|package| package.dependencies.len()).sum();
    Ok(format!("check-deps: {} crates, {edges} dependencies, all run downwards", packages.len()))
}

/// A layer of the architecture, lowest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Layer {
    Standards,
    Model,
    Systems,
    Apps,
    Tools,
}

impl Layer {
    /// The layer of a member, from the folder that holds it.
    fn of(folder: &str) -> Option<Self> {
        match folder.split('/').next()? {
            "standards" => Some(Self::Standards),
            "model" => Some(Self::Model),
            "systems" => Some(Self::Systems),
            "apps" => Some(Self::Apps),
            "xtask" | "bench" | "fuzz" => Some(Self::Tools),
            _ => None,
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standards => "standards",
            Self::Model => "model",
            Self::Systems => "systems",
            Self::Apps => "apps",
            Self::Tools => "tools",
        })
    }
}

/// One member of the workspace with everything it names as a dependency.
#[derive(Debug)]
struct Package {
    name: String,
    folder: String,
    dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependency tables.
#[derive(Debug, Clone)]
struct Dependency {
    name: String,
    /// Only for tests, examples and benches.
    development: bool,
}

/// The rules of `edges.txt`.
#[derive(Debug, Default)]
struct Rules {
    /// Edges inside one layer; true = only as a development dependency.
    edges: BTreeMap<(String, String), bool>,
    /// Crates of the outside that a layer must not name outside its tests.
    banned: BTreeSet<(String, String)>,
}

impl Rules {
    fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [from, "->", to] => {
                    rules.edges.insert(((*from).to_owned(), (*to).to_owned()), false);
                }
                [from, "->", to, "dev"] => {
                    rules.edges.insert(((*from).to_owned(), (*to).to_owned()), true);
                }
                ["ban", layer, name] => {
                    rules.banned.insert(((*layer).to_owned(), (*name).to_owned()));
                }
                _ => return Err(format!("xtask/edges.txt:{}: not a rule: {line}", number + 1)),
            }
        }
        Ok(rules)
    }

    /// Every way in which the packages break the rules.
    fn judge(&self, packages: &[Package]) -> Vec<String> {
        let mut problems = Vec::new();
        let mut layers = BTreeMap::new();
        for package in packages {
            match Layer::of(&package.folder) {
                Some(layer) => {
                    layers.insert(package.name.as_str(), layer);
                }
                None => problems.push(format!("{}: {} belongs to no layer", package.name, package.folder)),
            }
        }
        let mut used = BTreeSet::new();
        for package in packages {
            let Some(from) = layers.get(package.name.as_str()) else { continue };
            for dependency in &package.dependencies {
                match layers.get(dependency.name.as_str()) {
                    Some(to) => {
                        let edge = (package.name.clone(), dependency.name.clone());
                        problems.extend(self.judge_edge(&edge, *from, *to, dependency.development));
                        used.insert(edge);
                    }
                    None if dependency.development => {}
                    None if self.banned.contains(&(from.to_string(), dependency.name.clone())) => problems
                        .push(format!(
                            "{} ({from}) must not use {}: only apps do",
                            package.name, dependency.name
                        )),
                    None => {}
                }
            }
        }
        for (from, to) in self.edges.keys() {
            if !used.contains(&(from.clone(), to.clone())) {
                problems.push(format!(
                    "xtask/edges.txt allows {from} -> {to}, which no manifest names: remove the line"
                ));
            }
        }
        problems
    }

    fn judge_edge(
        &self,
        edge: &(String, String),
        from: Layer,
        to: Layer,
        development: bool,
    ) -> Option<String> {
        let (source, target) = edge;
        if to < from {
            return None;
        }
        if to > from {
            return Some(format!(
                "{source} ({from}) must not depend on {target} ({to}): dependencies run downwards"
            ));
        }
        match self.edges.get(edge) {
            Some(only_in_tests) if *only_in_tests && !development => {
                Some(format!("{source} may use {target} in tests only (xtask/edges.txt)"))
            }
            Some(_) => None,
            None => Some(format!("{source} -> {target} inside {from} is not allowed by xtask/edges.txt")),
        }
    }
}

/// The members of the workspace as cargo sees them.
fn metadata(root: &Path) -> Result<Vec<Package>, String> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    packages(&output.stdout, root)
}

/// Reads the answer of `cargo metadata`.
fn packages(json: &[u8], root: &Path) -> Result<Vec<Package>, String> {
    let value: serde_json::Value =
        serde_json::from_slice(json).map_err(|error| format!("cargo metadata: {error}"))?;
    let members = value["packages"].as_array().ok_or("cargo metadata: no packages")?;
    members
        .iter()
        .map(|member| package(member, root).ok_or_else(|| format!("cargo metadata: {member}")))
        .collect()
}

fn package(member: &serde_json::Value, root: &Path) -> Option<Package> {
    let manifest = Path::new(member["manifest_path"].as_str()?);
    let folder = manifest.parent()?.strip_prefix(root).ok()?.to_str()?.to_owned();
    let dependencies = member["dependencies"]
        .as_array()?
        .iter()
        .map(|dependency| {
            Some(Dependency {
                name: dependency["name"].as_str()?.to_owned(),
                development: dependency["kind"].as_str() == Some("dev"),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Package { name: member["name"].as_str()?.to_owned(), folder, dependencies })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, folder: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|(name, development)| Dependency { name: (*name).to_owned(), development: *development })
            .collect();
        Package { name: name.to_owned(), folder: folder.to_owned(), dependencies }
    }

    fn problems(rules: &str, packages: &[Package]) -> Vec<String> {
        Rules::parse(rules).expect("rules parse").judge(packages)
    }

    #[test]
    fn downward_edges_pass() {
        let packages = [
            member("tlv", "standards/tlv", &[("thiserror", false)]),
            member("model", "model", &[("tlv", false)]),
            member("npc", "systems/npc", &[("model", false), ("tlv", false)]),
            member("neweid", "apps/neweid", &[("npc", false)]),
        ];
        assert_eq!(problems("", &packages), Vec::<String>::new());
    }

    #[test]
    fn upward_edges_fail_even_in_tests() {
        let packages = [member("tlv", "standards/tlv", &[("model", true)]), member("model", "model", &[])];
        assert_eq!(
            problems("", &packages),
            ["tlv (standards) must not depend on model (model): dependencies run downwards"]
        );
    }

    #[test]
    fn edges_inside_a_layer_need_a_line() {
        let packages =
            [member("npc", "systems/npc", &[("mgmt", false)]), member("mgmt", "systems/mgmt", &[])];
        assert_eq!(problems("", &packages), ["npc -> mgmt inside systems is not allowed by xtask/edges.txt"]);
        assert_eq!(problems("npc -> mgmt # why", &packages), Vec::<String>::new());
    }

    #[test]
    fn a_test_only_edge_stays_in_tests() {
        let rules = "terminal -> chip dev";
        let chip = || member("chip", "systems/chip", &[]);
        let in_tests = [member("terminal", "systems/terminal", &[("chip", true)]), chip()];
        assert_eq!(problems(rules, &in_tests), Vec::<String>::new());
        let outside = [member("terminal", "systems/terminal", &[("chip", false)]), chip()];
        assert_eq!(problems(rules, &outside), ["terminal may use chip in tests only (xtask/edges.txt)"]);
    }

    #[test]
    fn an_unused_permission_fails() {
        let packages = [member("chip", "systems/chip", &[])];
        assert_eq!(problems("chip -> store", &packages).len(), 1);
    }

    #[test]
    fn banned_crates_fail_outside_tests() {
        let rules = "ban standards tokio";
        assert_eq!(problems(rules, &[member("tlv", "standards/tlv", &[("tokio", false)])]).len(), 1);
        assert_eq!(
            problems(rules, &[member("tlv", "standards/tlv", &[("tokio", true)])]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_member_outside_the_layers_fails() {
        assert_eq!(problems("", &[member("stray", "tools/stray", &[])]).len(), 1);
    }

    #[test]
    fn a_line_that_is_no_rule_is_refused() {
        assert!(Rules::parse("npc mgmt").is_err());
        assert!(Rules::parse("# only a comment\n\n").is_ok());
    }

    // The rules of this repository hold for the manifests of this repository.
    #[test]
    fn this_workspace_keeps_its_own_rules() {
        let outcome = run(&crate::repository_root());
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}
