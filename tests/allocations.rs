//! What a driver costs when nothing happens: counts, not times.

extern crate videokit_session_inside as videokit_session;

mod refused;

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use refused::call_with;
use videokit_session::driver::WakeReason;
use videokit_session::{
    AllowedOrigin, ApiToken, Config, Credentials, Driver, Gateway, Identity, Moment, Output, Wake,
};

const START: Moment = Moment::from_millis(0, 1_795_492_800_000);

fn origin() -> AllowedOrigin {
    AllowedOrigin::https("https://api.example").unwrap()
}

fn active() -> Driver {
    let config = Config::builder(origin()).build().unwrap();
    let token = ApiToken::new("my-app:my-secret").unwrap();
    let gateway = Gateway::new(token, Identity::new("user-17").unwrap());
    let mut driver = Driver::new(Arc::new(config), 1);
    driver.start(Credentials::for_development(gateway), START);
    assert!(matches!(driver.poll(START), Output::Event(_)), "it says what it does");
    let Output::Send(outgoing) = driver.poll(START) else { panic!("it asks") };
    let reply = http::Response::builder().header("date", "Tue, 24 Nov 2026 04:00:00 GMT").body(
        r#"{"sessionToken":"tok-1","expiresAt":"2026-11-24T04:10:00Z","identity":"user-17"}"#,
    );
    assert!(driver.handle_response(outgoing.id(), &reply.unwrap(), START).is_accepted());
    while let Output::Event(_) = driver.poll(START) {}
    driver
}

#[test]
fn an_idle_poll_allocates_nothing() {
    let mut driver = active();
    let mut polls = 0;
    let counted = measure(|| {
        for second in 0..400 {
            let now = START.after(Duration::from_secs(second));
            let Output::Wait(Wake::In(_, WakeReason::Renewal)) = driver.poll(now) else { break };
            polls += 1;
        }
    });
    assert_eq!(polls, 400, "renewal isn't due yet");
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn looking_at_a_driver_allocates_nothing() {
    let mut driver = active();
    let origin = origin();
    let counted = measure(|| {
        let authorization = driver.authorization(&origin, START).unwrap();
        let shared = authorization.value().clone();
        assert!(shared.is_sensitive());
        let _ = (driver.state(), driver.identity(), driver.generation(), driver.counters());
        let _ = (driver.validity(START), driver.remaining(START), driver.blocked());
        driver.set_online(false, START);
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
    let refused = |driver: &mut Driver| {
        measure(|| driver.handle_unauthorized(call_with(driver.generation().unwrap()), START))
            .count_total
    };
    // What 401s teach is kept from the first one on.
    assert_eq!([refused(&mut driver), refused(&mut driver)], [1, 0]);
    println!("a driver itself has {} bytes", size_of::<Driver>());
}

#[test]
fn the_first_401_of_a_login_allocates_once_and_a_later_one_nothing() {
    let mut driver = active();
    let generation = driver.generation().unwrap();
    driver.set_online(false, START);
    let mut refuse =
        || measure(|| driver.handle_unauthorized(call_with(generation), START)).count_total;
    // What 401s teach is kept apart: most logins never see one.
    assert_eq!((refuse(), refuse()), (1, 0));
}
