//! From the agent's configuration to the core's.

use std::time::Duration;

use uwasa_core::config::{ConfigErrors, Options, USER_EVENT_BYTES_CEILING};
use uwasa_core::keyring::Keyring;

use super::{Config, positive};

/// Windows in which agents of Serf collect events: at most this long, …
const COALESCE_PERIOD: Duration = Duration::from_secs(3);
/// … or until it is quiet for this long.
const QUIESCENT_PERIOD: Duration = Duration::from_secs(1);
/// Shortest period of a timer.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

impl Config {
    /// The core's settings: a timing profile with what this configuration says.
    ///
    /// # Errors
    ///
    /// Serf's text where it has one, else the core's.
    pub(crate) fn options(
        &self,
        profile: Options,
        keyring: Keyring,
    ) -> Result<uwasa_core::config::Config, String> {
        let protocol = self.protocol;
        let version = u8::try_from(protocol).ok().filter(|version| (2..=5).contains(version));
        let Some(serf_protocol_version) = version else {
            let side = if protocol < 2 { "low" } else { "high" };
            return Err(format!(
                "Protocol version '{protocol}' too {side}. Must be in range: [2, 5]"
            ));
        };
        let user_event_bytes_max = bytes(self.user_event_size_limit);
        if user_event_bytes_max > USER_EVENT_BYTES_CEILING {
            return Err(format!(
                "user event size limit exceeds limit of {USER_EVENT_BYTES_CEILING} bytes"
            ));
        }
        let defaults = profile;
        let options = Options {
            serf_protocol_version,
            user_event_bytes_max,
            query_bytes_max: bytes(self.query_size_limit),
            query_response_bytes_max: bytes(self.query_response_size_limit),
            compression: self.enable_compression,
            keyring,
            keyring_file: !self.keyring_file.is_empty(),
            snapshot: !self.snapshot_path.is_empty(),
            rejoin_after_leave: self.rejoin_after_leave,
            name_conflict_resolution: !self.disable_name_resolution,
            coalesce_period: COALESCE_PERIOD,
            quiescent_period: QUIESCENT_PERIOD,
            user_coalesce_period: COALESCE_PERIOD,
            user_quiescent_period: QUIESCENT_PERIOD,
            broadcast_timeout: positive(self.broadcast_timeout)
                .unwrap_or(defaults.broadcast_timeout),
            reconnect_interval: age(self.reconnect_interval, defaults.reconnect_interval)
                .max(INTERVAL_MIN),
            reconnect_timeout: age(self.reconnect_timeout, defaults.reconnect_timeout),
            tombstone_timeout: age(self.tombstone_timeout, defaults.tombstone_timeout),
            trace: true,
            ..defaults
        };
        options.validate().map_err(|errors: ConfigErrors| errors.to_string())
    }
}

/// A size; what is below zero allows nothing.
fn bytes(size: i64) -> usize {
    usize::try_from(size).unwrap_or(0)
}

/// An age or period: zero is "not said", what is below zero is over at once.
fn age(nanoseconds: i64, default: Duration) -> Duration {
    match nanoseconds {
        0 => default,
        _ => positive(nanoseconds).unwrap_or(Duration::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SECOND;

    fn options(change: impl FnOnce(&mut Config)) -> Result<uwasa_core::config::Config, String> {
        let mut config = Config::defaults();
        change(&mut config);
        config.options(Options::wan(), Keyring::default())
    }

    #[test]
    fn defaults_are_the_profile_s_with_serf_s_coalescing() {
        let made = options(|config| config.enable_compression = true).unwrap();
        let expected = Options {
            coalesce_period: COALESCE_PERIOD,
            quiescent_period: QUIESCENT_PERIOD,
            user_coalesce_period: COALESCE_PERIOD,
            user_quiescent_period: QUIESCENT_PERIOD,
            trace: true,
            ..Options::wan()
        };
        assert_eq!(*made, expected);
    }

    #[test]
    fn what_is_said_arrives() {
        let made = options(|config| {
            config.protocol = 4;
            config.reconnect_interval = 1;
            config.reconnect_timeout = -1;
            config.tombstone_timeout = 7 * SECOND;
            config.query_size_limit = 2_000;
            config.query_response_size_limit = -1;
            config.snapshot_path = "s".into();
            config.keyring_file = "k".into();
            config.disable_name_resolution = true;
            config.disable_coordinates = true;
        })
        .unwrap();
        assert_eq!(made.serf_protocol_version, 4);
        assert_eq!(made.reconnect_interval, INTERVAL_MIN);
        assert_eq!(made.reconnect_timeout, Duration::ZERO);
        assert_eq!(made.tombstone_timeout, Duration::from_secs(7));
        assert_eq!((made.query_bytes_max, made.query_response_bytes_max), (2_000, 0));
        assert!(made.snapshot && made.keyring_file && made.coordinates);
        assert!(!made.name_conflict_resolution && !made.compression);
    }

    #[test]
    fn limits_are_told_in_serf_s_words() {
        for (protocol, side) in [(1, "low"), (6, "high"), (258, "high")] {
            let error = options(|config| config.protocol = protocol).unwrap_err();
            let text =
                format!("Protocol version '{protocol}' too {side}. Must be in range: [2, 5]");
            assert_eq!(error, text);
        }
        let error = options(|config| config.user_event_size_limit = 9_217).unwrap_err();
        assert_eq!(error, "user event size limit exceeds limit of 9216 bytes");
    }
}
