//! The faults that have a button on the control page.

use std::mem::discriminant;

use serde_json::Value;
use videokit_session::sim::Fault;

/// A fault that can be set by hand.
pub(crate) struct Button {
    group: &'static str,
    label: &'static str,
    pub(crate) fault: Fault,
}

const fn button(group: &'static str, label: &'static str, fault: Fault) -> Button {
    Button { group, label, fault }
}

const NETWORK: &str = "Network";
const REFUSAL: &str = "Requests for a token";
const TOKEN: &str = "Tokens";
const BETWEEN: &str = "Replies";

/// All buttons, by group. Times are longer than in [`Fault::KINDS`] where somebody is to see them.
pub(crate) const BUTTONS: &[Button] = &[
    button(NETWORK, "Slow: 3 s", Fault::Slow { ms: 3_000 }),
    button(NETWORK, "No reply", Fault::Lost),
    button(NETWORK, "Reset before processing", Fault::ResetBefore),
    button(NETWORK, "Reset after processing", Fault::ResetAfter),
    button(REFUSAL, "429, wait 30 s", Fault::Throttled { retry_after: Some(30), as_date: false }),
    button(REFUSAL, "503", Fault::Unavailable { status: 503, retry_after: None }),
    button(REFUSAL, "401 to good credentials", Fault::Refused),
    button(REFUSAL, "200 with error text", Fault::ErrorString),
    button(REFUSAL, "200 with error object", Fault::ErrorObject),
    button(TOKEN, "API refuses good tokens", Fault::Distrusted),
    button(TOKEN, "Expired on arrival", Fault::ExpiredToken),
    button(TOKEN, "No expiry", Fault::ExpiryMissing),
    button(TOKEN, "Unreadable expiry", Fault::ExpiryUnreadable),
    button(TOKEN, "Another identity", Fault::AnotherIdentity),
    button(BETWEEN, "Date 1 h ahead", Fault::DateOff { ms: 3_600_000 }),
    button(BETWEEN, "No Date", Fault::DateMissing),
    button(BETWEEN, "Captive portal", Fault::Portal),
    button(BETWEEN, "Body cut off", Fault::CutOff),
    button(BETWEEN, "Body cut in a character", Fault::CutInCharacter),
    button(BETWEEN, "Oversized body", Fault::Oversized),
    button(BETWEEN, "Redirect elsewhere", Fault::Redirected),
];

/// Returns the name of a fault, as a plan has it.
pub(crate) fn name(fault: Fault) -> String {
    match serde_json::to_value(fault) {
        Ok(Value::String(name)) => name,
        Ok(Value::Object(members)) => members.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

/// Returns what a fault is called on the page: by its button, or by its name and what a plan says of it.
pub(crate) fn label(fault: Fault) -> String {
    if let Some(button) = BUTTONS.iter().find(|button| button.fault == fault) {
        return button.label.to_owned();
    }
    let said = serde_json::to_string(&fault).unwrap_or_default().replace(":{", " (");
    said.replace("}}", ")").replace(['{', '"'], "").replace([':', '_'], " ").replace(',', ", ")
}

/// Whether a fault changes something here. The others are those of devices and apps, and [`Fault::Twice`]: over HTTP/1.1,
/// a client reads one reply to a request.
pub(crate) fn is_of_the_server(fault: Fault) -> bool {
    let kind = discriminant(&fault);
    fault == Fault::Revoked || BUTTONS.iter().any(|button| discriminant(&button.fault) == kind)
}

/// Returns the buttons as HTML.
pub(crate) fn html() -> String {
    let mut html = Vec::new();
    for group in BUTTONS.chunk_by(|one, next| one.group == next.group) {
        html.push(format!("<fieldset><legend>{}</legend>", group[0].group));
        for Button { label, fault, .. } in group {
            let name = format!("data-fault=\"{}\"", name(*fault));
            html.push(format!(
                "<button type=\"button\" {name} aria-pressed=\"false\">{label}</button>"
            ));
        }
        html.push("</fieldset>".to_owned());
    }
    html.join("\n")
}
