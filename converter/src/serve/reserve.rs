//! `/reserve` on the admin port: whoever scales in keeps new live streams away from the server that is to go, looks once
//! more at what it does, and only then lets it go. What that means for streams is in [`super::seats`].

use std::{sync::Arc, time::Duration};

use axum::{extract::State, http::Uri, response::Response};

use super::{
    admin,
    args::{self, Args},
    options::{invalid, pairs},
    problem::Failure,
    state::App,
};

const OPTIONS: [&str; 1] = ["ttl"];
/// How long a reservation lasts that says nothing of it, or as long as one may if that is less.
const LASTS: Duration = Duration::from_secs(30);

/// `POST /reserve`: no new stream for a while, counted from now even if there was a reservation. The answer is how full
/// the server is with the reservation in force: no stream begins any more that is not counted in it.
pub(super) async fn reserve(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Failure> {
    let lasts = lasts(&uri, &app.args)?;
    Ok(admin::loaded(&app, app.seats.reserve(lasts)))
}

/// `DELETE /reserve`: new streams are welcome again. So they are if there was no reservation.
pub(super) async fn release(State(app): State<Arc<App>>) -> Response {
    admin::loaded(&app, app.seats.release())
}

/// How long the reservation is to last.
fn lasts(uri: &Uri, args: &Args) -> Result<Duration, Failure> {
    let most = args.max_reservation;
    let mut lasts = LASTS.min(most);
    for (name, value) in pairs(uri, &OPTIONS)? {
        lasts = args::time(&value).map_err(|error| invalid(&name, &value, error))?;
        if lasts.is_zero() {
            return Err(invalid(&name, &value, "it is more than 0; DELETE /reserve ends a reservation"));
        }
        if lasts > most {
            let wanted = format_args!("it is at most {} s, this server's --max-reservation", most.as_secs_f64());
            return Err(invalid(&name, &value, wanted));
        }
    }
    Ok(lasts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, args: &Args) -> Result<Duration, Failure> {
        lasts(&format!("/reserve?{query}").parse().unwrap(), args)
    }

    #[test]
    fn a_time_is_read_as_flags_are_and_bounded() {
        let args = args::tests::defaults();
        for (query, seconds) in [("", 30), ("ttl=45", 45), ("ttl=1m30s", 90), ("ttl=5m", 300), ("ttl=300", 300)] {
            assert_eq!(read(query, &args).unwrap(), Duration::from_secs(seconds), "{query}");
        }
        assert_eq!(read("ttl=250ms", &args).unwrap(), Duration::from_millis(250));
        for (query, code, word) in [
            ("ttl=301", "invalid_option", "at most 300 s, this server's --max-reservation"),
            ("ttl=99999999999999999999", "invalid_option", "30s"),
            ("ttl=0", "invalid_option", "DELETE /reserve"),
            ("ttl=0s", "invalid_option", "DELETE /reserve"),
            ("ttl=soon", "invalid_option", "30s"),
            ("ttl=-5s", "invalid_option", "30s"),
            ("ttl=", "invalid_option", "30s"),
            ("ttl=1&ttl=2", "repeated_option", "`ttl`"),
            ("time=5", "unknown_option", "known are ttl"),
        ] {
            let failure = read(query, &args).unwrap_err();
            assert_eq!(failure.code(), code, "{query}");
            assert!(failure.to_string().contains(word), "{query}: {failure}");
        }
    }

    #[test]
    fn a_time_that_nobody_asked_for_is_within_the_bound_too() {
        let args = Args { max_reservation: Duration::from_millis(1500), ..args::tests::defaults() };
        assert_eq!(read("", &args).unwrap(), args.max_reservation);
        assert!(read("ttl=2", &args).unwrap_err().to_string().contains("at most 1.5 s"));
    }
}
