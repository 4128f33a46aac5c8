//! What `operator run` can be told. Every flag is also an environment variable `FLACSHIP_…`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Args};
use jiff::SignedDuration;
use otlp::Endpoint;

use crate::audioconverter::scaling::settings::LoadArgs;
use crate::backoff::Pace;
use crate::context::Config;
use crate::conversionjob::runs::ProgressArgs;
use crate::leader::Settings;
use crate::names::short_hash;
use crate::scope::Scope;
use crate::telemetry::LogFormat;

/// What `operator run` can be told.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Image of the converter for resources that name none, for example registry.example/flacship/converter:1.0
    #[arg(long, env = "FLACSHIP_CONVERTER_IMAGE", value_name = "IMAGE")]
    pub converter_image: String,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "FLACSHIP_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    pub listen: SocketAddr,
    /// How many objects of a kind are worked on at once
    #[arg(long, env = "FLACSHIP_CONCURRENCY", value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Namespaces whose resources are looked after, with commas between; without, those of all namespaces. The operator
    /// needs its rights in these namespaces only: see config/namespaced
    #[arg(long, env = "FLACSHIP_NAMESPACES", value_name = "NAMES", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Label selector of the resources that are looked after, as kubectl -l takes it, for example shard=a; without, all
    /// are. Operators that share out resources like this need a --lease-name each
    #[arg(long, env = "FLACSHIP_SELECTOR", value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// How often the cluster is asked whether it serves HTTPRoutes and ServiceMonitors
    #[arg(long, env = "FLACSHIP_API_CHECK_PERIOD", value_name = "DURATION", default_value = "30s", value_parser = positive)]
    pub api_check_period: Duration,
    /// How long one request to the apiserver may take, tries again included
    #[arg(long, env = "FLACSHIP_CALL_TIMEOUT", value_name = "DURATION", default_value = "15s", value_parser = positive)]
    pub call_timeout: Duration,
    /// How long the work on one object may take
    #[arg(long, env = "FLACSHIP_RECONCILE_TIMEOUT", value_name = "DURATION", default_value = "2m", value_parser = positive)]
    pub reconcile_timeout: Duration,
    /// How long an object waits after its first error; it doubles with each further one
    #[arg(long, env = "FLACSHIP_RETRY_FIRST", value_name = "DURATION", default_value = "1s", value_parser = positive)]
    pub retry_first: Duration,
    /// How long an object waits at most after an error
    #[arg(long, env = "FLACSHIP_RETRY_LONGEST", value_name = "DURATION", default_value = "5m", value_parser = positive)]
    pub retry_longest: Duration,
    /// How long work under way may go on after SIGTERM; keep it below the pod's terminationGracePeriodSeconds
    #[arg(long, env = "FLACSHIP_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "20s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// How log lines look; RUST_LOG chooses what is logged
    #[arg(long, env = "FLACSHIP_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Collector of OpenTelemetry that traces are sent to, by OTLP over HTTP, such as http://collector:4318. The usual
    /// variables are honoured too: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER` and their kin
    /// [default: no traces]
    #[arg(long, env = "FLACSHIP_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<Endpoint>,
    /// Whether a podTemplate may name a serviceAccountName: pods then have its rights
    #[arg(long, env = "FLACSHIP_ALLOW_SERVICE_ACCOUNT_NAME", value_name = "BOOL", default_value_t = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub allow_service_account_name: bool,
    /// Whether pods may mount hostPath volumes, where the namespace admits them
    #[arg(long, env = "FLACSHIP_ALLOW_HOST_PATH", value_name = "BOOL", default_value_t = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub allow_host_path: bool,
    /// How pods are asked how full they are.
    #[command(flatten)]
    pub load: LoadArgs,
    /// How the progress of batch runs is told.
    #[command(flatten)]
    pub progress: ProgressArgs,
    /// Who of several operators writes.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

impl RunArgs {
    /// What reconciles need to know of it.
    pub fn config(&self) -> Config {
        Config {
            converter_image: self.converter_image.clone(),
            scope: Scope::new(&self.namespaces, self.selector.as_deref()),
            concurrency: self.concurrency,
            load: self.load.clone(),
            progress: self.progress.clone(),
            reconcile_timeout: self.reconcile_timeout,
            pace: Pace { first: self.retry_first, longest: self.retry_longest },
            allow_service_account_name: self.allow_service_account_name,
            allow_host_path: self.allow_host_path,
        }
    }
}

/// Who of several operators writes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Leader election")]
pub struct LeaseArgs {
    /// Whether several operators agree by a Lease which one writes; without, there must be only one
    #[arg(long, env = "FLACSHIP_LEADER_ELECT", value_name = "BOOL", default_value_t = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub leader_elect: bool,
    /// Name of the Lease; operators that share out the resources by --selector need one each
    #[arg(long, env = "FLACSHIP_LEASE_NAME", value_name = "NAME", default_value = "flacship-operator")]
    pub lease_name: String,
    /// Namespace of the Lease [default: the operator's own, or the context's of KUBECONFIG]
    #[arg(long, env = "FLACSHIP_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// How long the others wait when the leader is silent before one takes over
    #[arg(long, env = "FLACSHIP_LEASE_DURATION", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub lease_duration: Duration,
    /// How long the leader goes on writing without a renewal; shorter than --lease-duration
    #[arg(long, env = "FLACSHIP_RENEW_DEADLINE", value_name = "DURATION", default_value = "7s", value_parser = duration)]
    pub renew_deadline: Duration,
    /// How often the leader renews the Lease and the others look at it
    #[arg(long, env = "FLACSHIP_RETRY_PERIOD", value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub retry_period: Duration,
}

impl LeaseArgs {
    /// The election, if there is to be one.
    pub fn settings(&self) -> Result<Option<Settings>, String> {
        if !self.leader_elect {
            return Ok(None);
        }
        let settings = Settings {
            name: self.lease_name.clone(),
            identity: identity()?,
            duration: self.lease_duration,
            renew_deadline: self.renew_deadline,
            retry_period: self.retry_period,
        };
        settings.check()?;
        Ok(Some(settings))
    }
}

/// The pod's or machine's name, for people, and what makes it another for each process.
fn identity() -> Result<String, String> {
    let name =
        ["POD_NAME", "HOSTNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(format!("{}_{}", name.as_deref().unwrap_or("operator"), short_hash(&format!("{random:?}"), 12)))
}

/// Reads `20s`, `1m 30s` and the like.
fn duration(text: &str) -> Result<Duration, String> {
    let hint = || format!("{text:?} is no time: write a number with a unit, for example 20s or 2m");
    let parsed: SignedDuration = text.parse().map_err(|_| hint())?;
    Duration::try_from(parsed).map_err(|_| hint())
}

/// As [`duration`], of a time that cannot be nothing.
fn positive(text: &str) -> Result<Duration, String> {
    let parsed = duration(text)?;
    if parsed.is_zero() { Err("a time above zero is needed".to_owned()) } else { Ok(parsed) }
}

/// As [`duration`], of what is done at most once a second.
pub fn at_least_a_second(text: &str) -> Result<Duration, String> {
    let parsed = duration(text)?;
    if parsed < Duration::from_secs(1) { Err("at least 1s is needed".to_owned()) } else { Ok(parsed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        run: RunArgs,
    }

    fn args(more: &[&str]) -> Result<RunArgs, clap::Error> {
        Cli::try_parse_from([&["operator", "--converter-image=x"], more].concat()).map(|cli| cli.run)
    }

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["", "20", "-5s", "soon"] {
            assert!(duration(text).unwrap_err().contains("for example 20s"), "{text}");
        }
    }

    #[test]
    fn the_election_is_on_unless_told_otherwise() {
        for (more, on) in [
            (&[][..], true),
            (&["--leader-elect"][..], true),
            (&["--leader-elect=true"][..], true),
            (&["--leader-elect=false"][..], false),
        ] {
            assert_eq!(args(more).unwrap().lease.settings().unwrap().is_some(), on, "{more:?}");
        }
    }

    #[test]
    fn the_default_times_let_another_write_within_fifteen_seconds() {
        let lease = args(&[]).unwrap().lease.settings().unwrap().unwrap();
        // Seen late by one look, taken at the end of the lease, and some seconds for the first write.
        assert!(lease.retry_period + lease.duration + Duration::from_secs(2) < Duration::from_secs(15));
        let other = args(&[]).unwrap().lease.settings().unwrap().unwrap();
        assert_ne!(lease.identity, other.identity);
        assert!(args(&["--renew-deadline=10s"]).unwrap().lease.settings().is_err());
    }

    #[test]
    fn waits_that_would_make_a_hot_loop_are_refused() {
        for flag in ["--retry-first=0s", "--retry-longest=0s", "--call-timeout=0s", "--api-check-period=0s"] {
            assert!(args(&[flag]).unwrap_err().to_string().contains("above zero"), "{flag}");
        }
        let pace = args(&["--retry-first=2s"]).unwrap().config().pace;
        assert_eq!((pace.first.as_secs(), pace.longest.as_secs()), (2, 300));
    }

    #[test]
    fn namespaces_come_with_commas() {
        let scope = args(&["--namespaces=night,attic", "--selector=shard=a"]).unwrap().config().scope;
        assert_eq!(scope.namespaces(), ["attic", "night"]);
        assert!(args(&[]).unwrap().config().scope.namespaces().is_empty());
    }

    #[test]
    fn dangerous_parts_of_pods_are_allowed_unless_told_otherwise() {
        let config = args(&[]).unwrap().config();
        assert!(config.allow_host_path && config.allow_service_account_name);
        let config = args(&["--allow-host-path=false", "--allow-service-account-name=false"]).unwrap().config();
        assert!(!config.allow_host_path && !config.allow_service_account_name);
    }
}
