//! Roles and what each may do: one table, complete, compared with the documentation by a test.

/// What a person is employed for. An operator has one role, so that no one person holds two that exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// 憑證機構操作員: keeps the CA running, proposes and approves what concerns many certificates.
    CaOperator,
    /// 註冊中心人員: looks single certificates up.
    RaOfficer,
    /// 稽核人員: sees everything, changes nothing.
    Auditor,
    /// 卡管中心人員: judges chip types.
    CardCentre,
    /// 1996 專線人員: takes loss reports by telephone when offices are closed, and does nothing else (LOSS-05).
    Hotline,
}

/// What can be done at the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// The start page, one's own password.
    Enter,
    /// Certificates and keys of the CA.
    SeeAuthority,
    /// Stop issuing, or go on.
    SwitchIssuing,
    /// How many certificates were issued.
    SeeIssuance,
    /// One certificate by its serial number.
    FindCertificate,
    /// Approve what was proposed about the CA's own keys.
    DecideCeremonies,
    /// Lists, OCSP, filter.
    SeeStatus,
    /// Incidents and how far they are.
    SeeIncidents,
    /// Propose and approve incidents.
    DecideIncidents,
    /// What waits for a second person.
    SeeApprovals,
    /// Approve what was proposed about the country signing CA.
    DecideDocumentSigners,
    /// The chip-type register.
    SeeChipTypes,
    /// Propose and approve judgements of chip types.
    DecideChipTypes,
    /// The audit logs.
    SeeAudit,
    /// The operators and their roles.
    SeeOperators,
    /// The page on which loss reports of callers are taken.
    SeeHotline,
    /// Take the loss reports of callers.
    TakeLossReports,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::CaOperator, Self::RaOfficer, Self::Auditor, Self::CardCentre, Self::Hotline];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CaOperator => "ca-operator",
            Self::RaOfficer => "ra-officer",
            Self::Auditor => "auditor",
            Self::CardCentre => "card-centre",
            Self::Hotline => "hotline",
        }
    }

    /// The word for it in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::CaOperator => "憑證機構操作員",
            Self::RaOfficer => "註冊中心人員",
            Self::Auditor => "稽核人員",
            Self::CardCentre => "卡管中心人員",
            Self::Hotline => "1996 專線人員",
        }
    }

    /// The role with this text form.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether this role may do that (SECURITY-06). Whoever audits changes nothing; whoever changes does not read the logs
    /// (SECURITY-51).
    pub const fn may(self, right: Right) -> bool {
        use Right as R;
        match self {
            Self::CaOperator => matches!(
                right,
                R::Enter
                    | R::SeeAuthority
                    | R::SwitchIssuing
                    | R::DecideCeremonies
                    | R::SeeIssuance
                    | R::FindCertificate
                    | R::SeeStatus
                    | R::SeeIncidents
                    | R::DecideIncidents
                    | R::SeeApprovals
                    | R::DecideDocumentSigners
            ),
            Self::RaOfficer => {
                matches!(
                    right,
                    R::Enter | R::SeeIssuance | R::FindCertificate | R::SeeStatus | R::SeeIncidents
                )
            }
            Self::Auditor => matches!(
                right,
                R::Enter
                    | R::SeeAuthority
                    | R::SeeIssuance
                    | R::FindCertificate
                    | R::SeeStatus
                    | R::SeeIncidents
                    | R::SeeApprovals
                    | R::SeeChipTypes
                    | R::SeeAudit
                    | R::SeeOperators
            ),
            Self::CardCentre => {
                matches!(right, R::Enter | R::SeeApprovals | R::SeeChipTypes | R::DecideChipTypes)
            }
            Self::Hotline => matches!(right, R::Enter | R::SeeHotline | R::TakeLossReports),
        }
    }
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Enter,
        Self::SeeAuthority,
        Self::SwitchIssuing,
        Self::DecideCeremonies,
        Self::SeeIssuance,
        Self::FindCertificate,
        Self::SeeStatus,
        Self::SeeIncidents,
        Self::DecideIncidents,
        Self::SeeApprovals,
        Self::DecideDocumentSigners,
        Self::SeeChipTypes,
        Self::DecideChipTypes,
        Self::SeeAudit,
        Self::SeeOperators,
        Self::SeeHotline,
        Self::TakeLossReports,
    ];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::SeeAuthority => "see-authority",
            Self::SwitchIssuing => "switch-issuing",
            Self::DecideCeremonies => "decide-ceremonies",
            Self::SeeIssuance => "see-issuance",
            Self::FindCertificate => "find-certificate",
            Self::SeeStatus => "see-status",
            Self::SeeIncidents => "see-incidents",
            Self::DecideIncidents => "decide-incidents",
            Self::SeeApprovals => "see-approvals",
            Self::DecideDocumentSigners => "decide-document-signers",
            Self::SeeChipTypes => "see-chip-types",
            Self::DecideChipTypes => "decide-chip-types",
            Self::SeeAudit => "see-audit",
            Self::SeeOperators => "see-operators",
            Self::SeeHotline => "see-hotline",
            Self::TakeLossReports => "take-loss-reports",
        }
    }

    /// Whether it changes something.
    pub const fn changes(self) -> bool {
        matches!(
            self,
            Self::SwitchIssuing
                | Self::DecideCeremonies
                | Self::DecideIncidents
                | Self::DecideDocumentSigners
                | Self::DecideChipTypes
                | Self::TakeLossReports
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: SECURITY-51
    #[test]
    fn nobody_both_changes_and_reads_the_logs() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.as_str()), Some(role));
            let changes = Right::ALL.iter().any(|right| right.changes() && role.may(*right));
            assert!(!(changes && role.may(Right::SeeAudit)), "{role:?}");
            assert_eq!(role.may(Right::SeeAudit), role == Role::Auditor);
        }
        // Each right belongs to somebody, else a page could not be reached.
        for right in Right::ALL {
            assert!(Role::ALL.iter().any(|role| role.may(right)), "{right:?}");
        }
    }

    /// The table of docs/operations.md is this one.
    #[test]
    fn the_documented_table_is_the_one_in_force() {
        let doc = include_str!("../../../docs/operations.md");
        for right in Right::ALL {
            let cells: Vec<&str> =
                Role::ALL.iter().map(|role| if role.may(right) { " ✓ " } else { " – " }).collect();
            let line = format!("| `{}` |{}|", right.as_str(), cells.join("|"));
            assert!(doc.contains(&line), "docs/operations.md lacks: {line}");
        }
    }
}
