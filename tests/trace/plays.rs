//! Sessions of every length, to be drawn.

use videokit_session::{Grant, TransportFailure};

use crate::recording::{Recording, app, denying, portal, timestamp, token};

/// A login of which the first tries fail: fifteen seconds.
pub(crate) fn seconds() -> Recording {
    let mut recording = Recording::new(7);
    recording.pass(800);
    recording.start(app("anna", 1));
    recording.fail(TransportFailure::Unreachable);
    recording.answer_in(420, &denying(503, None));
    let grant = recording.granting("anna", 9);
    recording.answer_in(260, &grant);
    for _ in 0..4 {
        recording.pass(1_000);
    }
    let grant = recording.granting("anna", 30);
    recording.answer_in(310, &grant);
    recording.pass(3_500);
    recording
}

/// Half an hour in which everything goes wrong that can.
pub(crate) fn minutes() -> Recording {
    let mut recording = Recording::new(5);
    recording.start(app("anna", 1));
    for _ in 0..2 {
        let grant = recording.granting("anna", 600);
        recording.answer_in(180, &grant);
    }
    recording.until_asked();
    for reply in [denying(503, None), denying(503, None), denying(429, Some(20))] {
        recording.answer_in(350, &reply);
    }
    let grant = recording.granting("anna", 600);
    recording.answer_in(210, &grant);
    recording.pass(75_000);
    recording.unauthorized();
    let grant = recording.granting("anna", 600);
    recording.answer_in(240, &grant);
    recording.until_asked();
    recording.fail(TransportFailure::Unreachable);
    recording.online(false);
    for _ in 0..5 {
        recording.pass(15_000);
    }
    recording.online(true);
    recording.answer_in(1_200, &portal());
    let grant = recording.granting("anna", 600);
    recording.answer_in(190, &grant);
    recording.pass(40_000);
    recording.unauthorized();
    recording.until_asked();
    let late = recording.latest();
    recording.pass(900);
    recording.start(app("bert", 1));
    recording.until_asked();
    let grant = recording.granting("anna", 600);
    assert!(recording.answer_to(late, &grant).is_stale());
    let grant = recording.granting("bert", 300);
    recording.answer_in(200, &grant);
    recording.until_asked();
    // Nobody answers.
    recording.pass(15_000);
    recording.until_asked();
    let grant = recording.granting("bert", 300);
    recording.answer_in(200, &grant);
    recording.pass(60_000);
    recording.stop();
    recording.pass(5_000);
    recording
}

/// A day of tokens that live for ten minutes, with a night's sleep, and an outage.
pub(crate) fn hours() -> Recording {
    let mut recording = Recording::new(6);
    recording.start(app("anna", 1));
    while recording.hours() < 9.0 {
        let grant = recording.granting("anna", 600);
        recording.answer_in(150, &grant);
        recording.until_asked();
    }
    while recording.hours() < 9.6 {
        recording.answer_in(2_000, &denying(503, Some(120)));
        recording.until_asked();
    }
    while recording.hours() < 15.0 {
        let grant = recording.granting("anna", 600);
        recording.answer_in(150, &grant);
        recording.until_asked();
    }
    let grant = recording.granting("anna", 600);
    recording.answer_in(150, &grant);
    recording.sleep(7 * 3_600);
    while recording.hours() < 24.0 {
        let grant = recording.granting("anna", 600);
        recording.answer_in(150, &grant);
        recording.until_asked();
    }
    recording
}

/// Two busy minutes, and a night without a network between them.
pub(crate) fn idle() -> Recording {
    let mut recording = Recording::new(9);
    let busy = |recording: &mut Recording| {
        for reply in [denying(503, None), portal(), denying(429, Some(4)), denying(503, None)] {
            recording.answer_in(400, &reply);
        }
        let grant = recording.granting("anna", 120);
        recording.answer_in(300, &grant);
        let grant = recording.granting("anna", 120);
        recording.answer_in(300, &grant);
    };
    recording.start(app("anna", 1));
    busy(&mut recording);
    recording.pass(20_000);
    recording.online(false);
    for _ in 0..3 {
        recording.pass(60_000);
    }
    recording.pass(9 * 3_600_000);
    recording.online(true);
    busy(&mut recording);
    recording.pass(20_000);
    recording
}

/// Tokens that come by other ways, and run out.
pub(crate) fn adopted() -> Recording {
    let mut recording = Recording::new(8);
    let life = |recording: &Recording, seconds: i64| {
        timestamp(recording.now.wall_millis() + seconds * 1_000)
    };
    let grant = |name: &str, end: String| Grant::new(token(name)).with_expires_at(end);
    let end = life(&recording, 600);
    recording.start(grant("one", end));
    for _ in 0..30 {
        recording.pass(30_000);
    }
    recording.start(token("two"));
    for _ in 0..30 {
        recording.pass(60_000);
    }
    recording.unauthorized();
    recording.pass(10_000);
    recording
}

/// A working day on a laptop: hundreds of renewals, an outage, an hour of sleep, 401s, another user.
pub(crate) fn workday() -> Recording {
    let mut recording = Recording::new(11);
    recording.start(app("anna", 1));
    renew(&mut recording, "anna", 1.9);
    for pause in [20_000, 500, 41_000] {
        recording.unauthorized();
        let soon = recording.hours() + 0.01;
        renew(&mut recording, "anna", soon);
        recording.pass(pause);
    }
    renew(&mut recording, "anna", 3.0);
    // Nobody answers, and then the gateway is busy.
    while recording.hours() < 3.3 {
        recording.until_asked();
        recording.pass(15_000);
    }
    for _ in 0..9 {
        recording.answer_in(300, &denying(503, Some(60)));
    }
    renew(&mut recording, "anna", 4.2);
    recording.sleep(3_600);
    renew(&mut recording, "anna", 5.2);
    recording.stop();
    recording.pass(40_000);
    recording.start(app("bert", 1));
    renew(&mut recording, "bert", 6.4);
    recording.online(false);
    for _ in 0..20 {
        recording.pass(60_000);
    }
    recording.online(true);
    recording.answer_in(900, &portal());
    renew(&mut recording, "bert", 8.0);
    recording
}

/// Renews tokens that live for three minutes.
fn renew(recording: &mut Recording, user: &str, until_hour: f64) {
    loop {
        let grant = recording.granting(user, 180);
        recording.answer_in(150, &grant);
        if recording.hours() >= until_hour {
            return;
        }
    }
}
