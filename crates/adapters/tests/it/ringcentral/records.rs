//! Every recorded and constructed scenario must give the record that was written by hand.

use switchhook_adapters::ringcentral::RingCentral;

use crate::fixture;

#[test]
fn every_scenario_gives_its_record() {
    fixture::assert_records(&RingCentral);
}
