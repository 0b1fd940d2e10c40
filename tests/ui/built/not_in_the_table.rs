//! An expired session can't be renewed: no row leads from Expired to Active for this cause.
include!("states.in");

fn main() {
    let _row = between(&Expired, why::Renewed, &Active);
}
