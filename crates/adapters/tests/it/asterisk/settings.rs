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
            json!({"url": "http://pbx", "ami_username": "x"}),
            "`ami_host`",
        ),
        (
            json!({"url": "http://pbx", "dial_endpoint": "PJSIP/100"}),
            "`dial_endpoint`",
        ),
        (
            json!({"url": "http://pbx", "dial_endpoint": "PJSIP/{extension}&PJSIP/1"}),
            "`dial_endpoint`",
        ),
        (
            json!({"url": "http://pbx", "dial_context": "a,b"}),
            "`dial_context`",
        ),
        (
            json!({"url": "http://pbx", "dial_format": "us"}),
            "`dial_format`",
        ),
        (
            json!({"url": "http://pbx", "phones_obey": 7}),
            "`phones_obey`",
        ),
        (json!({"transport": "ari_outbound", "app": "a b"}), "`app`"),
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
        json!({"transport": "webhook"}),
        json!({"transport": "webhook", "url": "http://pbx:8088"}),
        json!({"transport": "ari_outbound"}),
        json!({"transport": "ari_outbound", "dial_endpoint": "Local/{extension}@from-internal"}),
        json!({"url": "http://[::1]:8088", "agent_endpoints": "ada\nbob", "verify_tls": false}),
    ] {
        assert_eq!(
            Asterisk.check_config(&fake::connection(&config)),
            Ok(()),
            "{config}"
        );
    }
}

#[test]
fn what_the_settings_do_not_allow_is_told_with_what_to_enter() {
    use switchhook_engine::adapter::Capability;

    let lacks = |config: &serde_json::Value, capability| {
        let mut connection = (*fake::connection(config)).clone();
        let secret = switchhook_engine::adapter::Secret::new("secret");
        connection
            .credentials
            .insert("ami_password".to_owned(), secret);
        Asterisk.lacks(capability, &connection)
    };
    let commands: Vec<Capability> = Capability::ALL
        .into_iter()
        .filter(|c| c.is_command())
        .collect();
    let relay = json!({"transport": "webhook"});
    for capability in &commands {
        let why = lacks(&relay, *capability).expect("a relay only listens");
        assert!(
            why.ends_with('.') && why.contains("Enter") || why.contains("enter"),
            "{why}"
        );
    }
    let ari = json!({"url": "http://pbx"});
    let can = |config: &serde_json::Value| {
        let able = commands.iter().filter(|c| lacks(config, **c).is_none());
        able.copied().collect::<Vec<_>>()
    };
    let basic = [
        Capability::Originate,
        Capability::ControlHangUp,
        Capability::ControlReject,
        Capability::ListUsers,
    ];
    assert_eq!(can(&ari), basic);
    assert_eq!(can(&json!({"transport": "ari_outbound"})), basic);
    let both = json!({"url": "http://pbx", "ami_host": "pbx", "ami_username": "cti"});
    let missing: Vec<_> = commands
        .iter()
        .filter(|c| lacks(&both, **c).is_some())
        .collect();
    assert_eq!(
        missing,
        [&Capability::ControlAnswer, &Capability::ControlHold]
    );
    assert!(
        lacks(&both, Capability::ControlHold)
            .unwrap()
            .contains("phones_obey")
    );
    let mut obeyed = both;
    obeyed["phones_obey"] = true.into();
    assert_eq!(can(&obeyed), commands);
    assert!(lacks(&obeyed, Capability::Transcript).is_some());
    assert_eq!(lacks(&relay, Capability::Ringing), None);
}
