//! Fault plans: what can be read is written down as the same again, and what can't names its line.

use arbitrary::{Arbitrary, Unstructured};
use videokit_session::sim::{FaultPlan, PlanError};

/// The first line of a plan.
const HEADER: &str = "{\"fault_plan\":1}";

/// The first byte says whether the rest is text, incidents behind a header, or a plan as a value.
pub(crate) fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match kind % 3 {
        0 => check_text(&text),
        1 => check_text(&format!("{HEADER}\n{text}")),
        _ => {
            if let Ok(plan) = FaultPlan::arbitrary(&mut Unstructured::new(rest)) {
                check_plan(&plan);
            }
        }
    }
}

fn check_text(text: &str) {
    let read = text.parse::<FaultPlan>();
    assert_eq!(read, text.parse(), "read again");
    match read {
        Ok(plan) => {
            let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
            assert_eq!(plan.incidents().len(), lines - 1, "an incident a line");
            check_plan(&plan);
        }
        Err(error) => check_error(text, &error),
    }
}

fn check_error(text: &str, error: &PlanError) {
    let shown = error.to_string();
    let line = shown.strip_prefix("line ").and_then(|rest| rest.split_once([',', ':']));
    let line: usize = line.and_then(|(line, _)| line.parse().ok()).expect("it names a line");
    assert!((1..=text.lines().count().max(1)).contains(&line), "{shown}");
    match error {
        PlanError::NoHeader | PlanError::Newer { .. } => assert_eq!(line, 1),
        PlanError::Unreadable { line: named, field, expected } => {
            assert_eq!(*named, line);
            // A member may have the empty string for its name.
            assert!(!field.is_empty() || text.contains("\"\""), "{error:?}");
            assert!(!expected.is_empty(), "{error:?}");
            // It is this line that is wrong, and none before it.
            let before: Vec<&str> = text.lines().take(line - 1).collect();
            assert!(before.join("\n").parse::<FaultPlan>().is_ok(), "{error}");
            let named = text.lines().nth(line - 1).unwrap_or_default();
            assert!(format!("{HEADER}\n{named}").parse::<FaultPlan>().is_err(), "{error}");
        }
        _ => {}
    }
}

fn check_plan(plan: &FaultPlan) {
    let text = plan.to_string();
    assert_eq!(text.lines().count(), plan.incidents().len() + 1);
    let again = text.parse::<FaultPlan>();
    assert_eq!(again.as_ref(), Ok(plan), "{text}");
    assert_eq!(again.map(|plan| plan.to_string()), Ok(text));
    for (index, incident) in plan.incidents().iter().enumerate().take(4) {
        let shorter = plan.without(index);
        assert_eq!(shorter.incidents().len() + 1, plan.incidents().len());
        let lasts = plan.lasting(incident.at_ms).any(|fault| fault == incident.fault);
        assert!(lasts || incident.lasts_ms == 0, "{incident:?} doesn't last");
    }
    assert_eq!(plan.without(plan.incidents().len()), *plan);
}
