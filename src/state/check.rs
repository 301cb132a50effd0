//! What a check can end as: HAProxy's statuses with their names, numbers and sentences (management guide
//! 9.1, field `check_status`).

/// Result of the last check of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum CheckStatus {
    #[default]
    Unknown = 0,
    Initializing = 1,
    Checked = 3,
    HealthAnalyze = 4,
    SocketError = 5,
    L4Ok = 6,
    L4Timeout = 7,
    L4Connection = 8,
    L6Ok = 9,
    L6Timeout = 10,
    L6Response = 11,
    L7Timeout = 12,
    L7Response = 13,
    L7Ok = 15,
    L7OkConditional = 16,
    L7Status = 17,
}

struct Row {
    status: CheckStatus,
    name: &'static str,
    description: &'static str,
    passed: bool,
}

/// Number, CSV name, sentence of the logs, and whether it counts as a success.
const TABLE: &[Row] = &[
    row(CheckStatus::Unknown, "UNK", "Unknown", false),
    row(CheckStatus::Initializing, "INI", "Initializing", false),
    row(CheckStatus::Checked, "CHECKED", "No status change", false),
    row(CheckStatus::HealthAnalyze, "HANA", "Health analyze", false),
    row(CheckStatus::SocketError, "SOCKERR", "Socket error", false),
    row(CheckStatus::L4Ok, "L4OK", "Layer4 check passed", true),
    row(CheckStatus::L4Timeout, "L4TOUT", "Layer4 timeout", false),
    row(CheckStatus::L4Connection, "L4CON", "Layer4 connection problem", false),
    row(CheckStatus::L6Ok, "L6OK", "Layer6 check passed", true),
    row(CheckStatus::L6Timeout, "L6TOUT", "Layer6 timeout", false),
    row(CheckStatus::L6Response, "L6RSP", "Layer6 invalid response", false),
    row(CheckStatus::L7Timeout, "L7TOUT", "Layer7 timeout", false),
    row(CheckStatus::L7Response, "L7RSP", "Layer7 invalid response", false),
    row(CheckStatus::L7Ok, "L7OK", "Layer7 check passed", true),
    row(CheckStatus::L7OkConditional, "L7OKC", "Layer7 check conditionally passed", true),
    row(CheckStatus::L7Status, "L7STS", "Layer7 wrong status", false),
];

const fn row(status: CheckStatus, name: &'static str, description: &'static str, passed: bool) -> Row {
    Row { status, name, description, passed }
}

impl CheckStatus {
    /// As in the CSV: `L7OK`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// As in the logs: `Layer7 check passed`.
    pub fn description(self) -> &'static str {
        self.row().description
    }

    /// Whether a check that ended so counts towards `rise`.
    pub fn passed(self) -> bool {
        self.row().passed
    }

    /// Whether the server's answer carried a code (`check_code`): the statuses that come from its data.
    pub fn reports_code(self) -> bool {
        matches!(self, CheckStatus::L7Ok | CheckStatus::L7OkConditional | CheckStatus::L7Status)
    }

    /// The status of that CSV name.
    pub fn from_name(name: &str) -> Option<CheckStatus> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.status)
    }

    fn row(self) -> &'static Row {
        // Every variant stands in the table; the test below holds that.
        TABLE.iter().find(|row| row.status == self).unwrap_or(&TABLE[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_status() {
        for row in TABLE {
            assert_eq!(CheckStatus::from_name(row.status.name()), Some(row.status));
        }
        assert_eq!(CheckStatus::L7Timeout.description(), "Layer7 timeout");
        assert!(CheckStatus::L4Ok.passed() && !CheckStatus::L4Connection.passed());
    }
}
