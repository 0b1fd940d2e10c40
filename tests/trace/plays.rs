//! Sessions of every length, to be drawn.

use videokit_session::{Grant, TransportFailure};

use crate::stage::{Stage, app, denying, portal, timestamp, token};

/// A login of which the first tries fail: fifteen seconds.
pub(crate) fn seconds() -> Stage {
    let mut stage = Stage::new(7);
    stage.pass(800);
    stage.start(app("anna", 1));
    stage.fail(TransportFailure::Unreachable);
    stage.answer_in(420, &denying(503, None));
    let grant = stage.granting("anna", 9);
    stage.answer_in(260, &grant);
    for _ in 0..4 {
        stage.pass(1_000);
    }
    let grant = stage.granting("anna", 30);
    stage.answer_in(310, &grant);
    stage.pass(3_500);
    stage
}

/// Half an hour in which everything goes wrong that can.
pub(crate) fn minutes() -> Stage {
    let mut stage = Stage::new(5);
    stage.start(app("anna", 1));
    for _ in 0..2 {
        let grant = stage.granting("anna", 600);
        stage.answer_in(180, &grant);
    }
    stage.until_asked();
    for reply in [denying(503, None), denying(503, None), denying(429, Some(20))] {
        stage.answer_in(350, &reply);
    }
    let grant = stage.granting("anna", 600);
    stage.answer_in(210, &grant);
    stage.pass(75_000);
    stage.unauthorized();
    let grant = stage.granting("anna", 600);
    stage.answer_in(240, &grant);
    stage.until_asked();
    stage.fail(TransportFailure::Unreachable);
    stage.online(false);
    for _ in 0..5 {
        stage.pass(15_000);
    }
    stage.online(true);
    stage.answer_in(1_200, &portal());
    let grant = stage.granting("anna", 600);
    stage.answer_in(190, &grant);
    stage.pass(40_000);
    stage.unauthorized();
    stage.until_asked();
    let late = stage.latest();
    stage.pass(900);
    stage.start(app("bert", 1));
    stage.until_asked();
    let grant = stage.granting("anna", 600);
    assert!(stage.answer_to(late, &grant).is_stale());
    let grant = stage.granting("bert", 300);
    stage.answer_in(200, &grant);
    stage.until_asked();
    // Nobody answers.
    stage.pass(15_000);
    stage.until_asked();
    let grant = stage.granting("bert", 300);
    stage.answer_in(200, &grant);
    stage.pass(60_000);
    stage.stop();
    stage.pass(5_000);
    stage
}

/// A day of tokens that live for ten minutes, with a night's sleep, and an outage.
pub(crate) fn hours() -> Stage {
    let mut stage = Stage::new(6);
    stage.start(app("anna", 1));
    while stage.hours() < 9.0 {
        let grant = stage.granting("anna", 600);
        stage.answer_in(150, &grant);
        stage.until_asked();
    }
    while stage.hours() < 9.6 {
        stage.answer_in(2_000, &denying(503, Some(120)));
        stage.until_asked();
    }
    while stage.hours() < 15.0 {
        let grant = stage.granting("anna", 600);
        stage.answer_in(150, &grant);
        stage.until_asked();
    }
    let grant = stage.granting("anna", 600);
    stage.answer_in(150, &grant);
    stage.sleep(7 * 3_600);
    while stage.hours() < 24.0 {
        let grant = stage.granting("anna", 600);
        stage.answer_in(150, &grant);
        stage.until_asked();
    }
    stage
}

/// Two busy minutes, and a night without a network between them.
pub(crate) fn idle() -> Stage {
    let mut stage = Stage::new(9);
    let busy = |stage: &mut Stage| {
        for reply in [denying(503, None), portal(), denying(429, Some(4)), denying(503, None)] {
            stage.answer_in(400, &reply);
        }
        let grant = stage.granting("anna", 120);
        stage.answer_in(300, &grant);
        let grant = stage.granting("anna", 120);
        stage.answer_in(300, &grant);
    };
    stage.start(app("anna", 1));
    busy(&mut stage);
    stage.pass(20_000);
    stage.online(false);
    for _ in 0..3 {
        stage.pass(60_000);
    }
    stage.pass(9 * 3_600_000);
    stage.online(true);
    busy(&mut stage);
    stage.pass(20_000);
    stage
}

/// Tokens that come by other ways, and run out.
pub(crate) fn adopted() -> Stage {
    let mut stage = Stage::new(8);
    let life = |stage: &Stage, seconds: i64| timestamp(stage.now.wall_millis() + seconds * 1_000);
    let grant = |name: &str, end: String| Grant::new(token(name)).with_expires_at(end);
    let end = life(&stage, 600);
    stage.start(grant("one", end));
    for _ in 0..30 {
        stage.pass(30_000);
    }
    stage.start(token("two"));
    for _ in 0..30 {
        stage.pass(60_000);
    }
    stage.unauthorized();
    stage.pass(10_000);
    stage
}

/// A working day on a laptop: hundreds of renewals, an outage, an hour of sleep, 401s, another user.
pub(crate) fn workday() -> Stage {
    let mut stage = Stage::new(11);
    stage.start(app("anna", 1));
    renew(&mut stage, "anna", 1.9);
    for pause in [20_000, 500, 41_000] {
        stage.unauthorized();
        let soon = stage.hours() + 0.01;
        renew(&mut stage, "anna", soon);
        stage.pass(pause);
    }
    renew(&mut stage, "anna", 3.0);
    // Nobody answers, and then the gateway is busy.
    while stage.hours() < 3.3 {
        stage.until_asked();
        stage.pass(15_000);
    }
    for _ in 0..9 {
        stage.answer_in(300, &denying(503, Some(60)));
    }
    renew(&mut stage, "anna", 4.2);
    stage.sleep(3_600);
    renew(&mut stage, "anna", 5.2);
    stage.stop();
    stage.pass(40_000);
    stage.start(app("bert", 1));
    renew(&mut stage, "bert", 6.4);
    stage.online(false);
    for _ in 0..20 {
        stage.pass(60_000);
    }
    stage.online(true);
    stage.answer_in(900, &portal());
    renew(&mut stage, "bert", 8.0);
    stage
}

/// Renews tokens that live for three minutes.
fn renew(stage: &mut Stage, user: &str, until_hour: f64) {
    loop {
        let grant = stage.granting(user, 180);
        stage.answer_in(150, &grant);
        if stage.hours() >= until_hour {
            return;
        }
    }
}
