//! What a form may contain, and which field is named when it may not.

use serde_json::json;
use switchhook_adapters::asterisk::Asterisk;
use switchhook_engine::adapter::Adapter;

use super::fake;

#[test]
fn settings_at_fault_are_named() {
    let fault = |config: &serde_json::Value| {
        let connection = fake::connection(config);
        Asterisk.check_config(&connection).unwrap_err().to_string()
    };
    for (config, field) in [
        (json!({}), "`url`"),
        (json!({"url": "pbx:8088"}), "`url`"),
        (json!({"url": "ftp://pbx"}), "`url`"),
        (json!({"url": "http://cti:secret@pbx:8088"}), "`url`"),
        (json!({"url": "http://pbx:8088/?app=x"}), "`url`"),
        (json!({"url": "http://pbx:8088", "app": "a,b"}), "`app`"),
        (
            json!({"url": "http://pbx:8088", "verify_tls": "perhaps"}),
            "`verify_tls`",
        ),
        (
            json!({"url": "http://pbx:8088", "report_presence": 7}),
            "`report_presence`",
        ),
        (
            json!({"url": "http://pbx:8088", "agent_endpoints": ["x".repeat(200)]}),
            "`agent_end",
        ),
        (json!({"transport": "sip"}), "`transport`"),
        (json!({"transport": "ami"}), "`ami_host`"),
        (
            json!({"transport": "ami", "ami_host": "pbx\r\nX: 1"}),
            "`ami_host`",
        ),
        (
            json!({"transport": "ami", "ami_host": "pbx", "ami_port": 70000}),
            "`ami_port`",
        ),
    ] {
        assert!(
            fault(&config).contains(field),
            "{config}: {}",
            fault(&config)
        );
    }
    for config in [
        json!({"url": "http://pbx.example.com:8088"}),
        json!({"url": "wss://pbx.example.com:8089/asterisk/ari/events", "app": "x"}),
        json!({"transport": "ami", "ami_host": "192.0.2.1", "ami_port": "5038"}),
        json!({"url": "http://[::1]:8088", "agent_endpoints": "ada\nbob", "verify_tls": false}),
    ] {
        assert_eq!(
            Asterisk.check_config(&fake::connection(&config)),
            Ok(()),
            "{config}"
        );
    }
}
