//! Certificate policies (RFC 5280 §6.1.2 to §6.1.5 as RFC 9618 has it): a graph in place of the tree, so that the work grows with
//! the number of policies and not with their combinations.
//!
//! Of the graph only its last row is kept. What the rows above are asked for at the end is which policies of the trust
//! anchor's domain lead to a node: each node carries those. Qualifiers are not processed.

use std::collections::{BTreeMap, BTreeSet};

use const_oid::ObjectIdentifier as Oid;
use tlv::oid;

use super::{Options, Refusal};
use crate::asn1::{Der, implicit, small_integer};
use crate::extension::MAX_EXTENSIONS;
use crate::{Certificate, Error};

const ANY_POLICY: Oid = oid::ANY_POLICY;

/// A policy of the row: what it counts as in the next certificate, and which policies of the anchor's domain lead to it.
struct Node {
    expected: BTreeSet<Oid>,
    origins: BTreeSet<Oid>,
}

type Row = BTreeMap<Oid, Node>;

struct State {
    /// The last row of valid_policy_graph; empty where it is NULL.
    row: Row,
    explicit_policy: usize,
    policy_mapping: usize,
    inhibit_any_policy: usize,
}

/// Processes `chain`, end entity first and trust anchor last. Gives the user-constrained policy set.
pub(super) fn check(chain: &[&Certificate], options: &Options<'_>) -> Result<Vec<Oid>, Refusal> {
    let Some((_, path)) = chain.split_last() else { return Ok(Vec::new()) };
    // RFC 5280 §6.1.2 (a), (d), (e), (f).
    let after = |at_once: bool| if at_once { 0 } else { path.len() + 1 };
    let one = BTreeSet::from([ANY_POLICY]);
    let mut state = State {
        row: Row::from([(ANY_POLICY, Node { expected: one.clone(), origins: one })]),
        explicit_policy: after(options.require_explicit_policy),
        policy_mapping: after(options.inhibit_policy_mapping),
        inhibit_any_policy: after(options.inhibit_any_policy),
    };
    for (left, certificate) in path.iter().enumerate().rev() {
        state.process(certificate, left == 0)?;
        if left > 0 {
            state.prepare(certificate)?;
        }
    }
    if let [leaf, ..] = path {
        state.wrap_up(leaf)?;
    }
    let set = state.user_constrained(options.policies);
    // RFC 5280 §6.1.5: either explicit_policy is greater than zero or the set is not empty.
    if state.explicit_policy == 0 && set.is_empty() { Err(Refusal::Policy) } else { Ok(set) }
}

/// Whether this certificate's own rules about policies can be read.
pub(super) fn inspect(c: &Certificate) -> Result<(), Refusal> {
    // RFC 5280 §4.2.1.11, §4.2.1.14: MUST be critical, which RFC 3280 left open. They only narrow, so they count either way.
    constraints(c)?;
    inhibit_any(c)?;
    mappings(c).map(drop)
}

impl State {
    // RFC 5280 §6.1.3 (d), (e), (f).
    fn process(&mut self, c: &Certificate, is_last: bool) -> Result<(), Refusal> {
        let policies = c.certificate_policies();
        let any_counts = self.inhibit_any_policy > 0 || (!is_last && c.is_self_issued());
        let any = policies.contains(&ANY_POLICY) && any_counts;
        let before = std::mem::take(&mut self.row);
        let mut parents: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
        for node in before.values() {
            for expected in &node.expected {
                parents.entry(*expected).or_default().extend(&node.origins);
            }
        }
        let mut add = |policy: Oid, origins: BTreeSet<Oid>| {
            self.row.insert(policy, Node { expected: BTreeSet::from([policy]), origins });
        };
        for policy in policies.iter().filter(|policy| **policy != ANY_POLICY) {
            match parents.remove(policy) {
                // (d)(1)(i)
                Some(origins) => add(*policy, origins),
                // (d)(1)(ii): a child of anyPolicy begins in the anchor's domain as itself.
                None if before.contains_key(&ANY_POLICY) => add(*policy, BTreeSet::from([*policy])),
                None => {}
            }
        }
        if any {
            // (d)(2): what the certificate does not name itself goes on under its own name.
            parents.into_iter().for_each(|(policy, origins)| add(policy, origins));
        }
        // (f)
        if self.explicit_policy == 0 && self.row.is_empty() { Err(Refusal::Policy) } else { Ok(()) }
    }

    // RFC 5280 §6.1.4 (a), (b), (h), (i), (j).
    fn prepare(&mut self, c: &Certificate) -> Result<(), Refusal> {
        let mut mapped: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
        for (ours, theirs) in mappings(c)? {
            mapped.entry(ours).or_default().insert(theirs);
        }
        for (ours, theirs) in mapped {
            if self.policy_mapping == 0 {
                self.row.remove(&ours);
            } else if let Some(node) = self.row.get_mut(&ours) {
                node.expected = theirs;
            } else if self.row.contains_key(&ANY_POLICY) {
                self.row.insert(ours, Node { expected: theirs, origins: BTreeSet::from([ours]) });
            }
        }
        if !c.is_self_issued() {
            for counter in [&mut self.explicit_policy, &mut self.policy_mapping, &mut self.inhibit_any_policy]
            {
                *counter = counter.saturating_sub(1);
            }
        }
        let (require, inhibit) = constraints(c)?;
        let lower = |counter: &mut usize, to: Option<u32>| {
            *counter = to.map_or(*counter, |to| (to as usize).min(*counter));
        };
        lower(&mut self.explicit_policy, require);
        lower(&mut self.policy_mapping, inhibit);
        lower(&mut self.inhibit_any_policy, inhibit_any(c)?);
        Ok(())
    }

    // RFC 5280 §6.1.5 (a), (b).
    fn wrap_up(&mut self, c: &Certificate) -> Result<(), Refusal> {
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        if constraints(c)?.0 == Some(0) {
            self.explicit_policy = 0;
        }
        Ok(())
    }

    // RFC 5280 §6.1.5 (g).
    fn user_constrained(&self, wanted: &[Oid]) -> Vec<Oid> {
        let origins: BTreeSet<Oid> =
            self.row.values().flat_map(|node| node.origins.iter().copied()).collect();
        let any = origins.contains(&ANY_POLICY);
        if wanted.is_empty() || wanted.contains(&ANY_POLICY) {
            return origins.into_iter().collect();
        }
        wanted.iter().copied().filter(|policy| any || origins.contains(policy)).collect()
    }
}

/// requireExplicitPolicy and inhibitPolicyMapping.
fn constraints(c: &Certificate) -> Result<(Option<u32>, Option<u32>), Refusal> {
    let Some(extension) = c.extension(oid::POLICY_CONSTRAINTS) else { return Ok((None, None)) };
    let read = || -> Result<_, Error> {
        let mut inner = Der::outer(extension.value)?;
        let mut skip = |n| inner.optional(implicit(n))?.map(|t| small_integer(t.value)).transpose();
        let both = (skip(0)?, skip(1)?);
        inner.finish()?;
        // RFC 5280 §4.2.1.11: MUST NOT be an empty sequence.
        if both == (None, None) { Err(Error::Malformed("policyConstraints")) } else { Ok(both) }
    };
    read().map_err(|_| Refusal::Malformed("policyConstraints"))
}

fn inhibit_any(c: &Certificate) -> Result<Option<u32>, Refusal> {
    let Some(extension) = c.extension(oid::INHIBIT_ANY_POLICY) else { return Ok(None) };
    let mut inner = Der::new(extension.value);
    let skip = inner.small().and_then(|skip| inner.finish().map(|()| skip));
    skip.map(Some).map_err(|_| Refusal::Malformed("inhibitAnyPolicy"))
}

/// Pairs of a policy of the issuer and what it is called below.
fn mappings(c: &Certificate) -> Result<Vec<(Oid, Oid)>, Refusal> {
    let Some(extension) = c.extension(oid::POLICY_MAPPINGS) else { return Ok(Vec::new()) };
    let read = || -> Result<_, Error> {
        let mut inner = Der::outer(extension.value)?;
        let mut all = Vec::new();
        while !inner.is_empty() {
            let mut pair = inner.sequence()?;
            let (ours, theirs) = (pair.oid()?, pair.oid()?);
            pair.finish()?;
            // RFC 5280 §4.2.1.5: neither is anyPolicy.
            if all.len() == MAX_EXTENSIONS || ours == ANY_POLICY || theirs == ANY_POLICY {
                return Err(Error::Malformed("policyMappings"));
            }
            all.push((ours, theirs));
        }
        if all.is_empty() { Err(Error::Malformed("policyMappings")) } else { Ok(all) }
    };
    read().map_err(|_| Refusal::Malformed("policyMappings"))
}
