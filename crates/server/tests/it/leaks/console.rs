//! The command line: every subcommand that touches secrets, what it prints and what it logs. A
//! secret stands on standard output only of these, once, where it is delivered: `app create`, `key
//! create`, `key rotate`, `connection add` and `connection secret` without a secret of one's own,
//! `app link`, `user invite`, `user reset-link`, `user set-up-link`, `secrets new-key`, and the
//! set-up link of `serve`.

use reqwest::Method;
use serde_json::json;

use super::drive::{CLOSED, Drive};

/// The word after another, where a line begins with that.
fn after(said: &str, name: &str) -> String {
    let line = said.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.unwrap_or_else(|| panic!("no {name} in {said}"))
        .to_owned()
}

fn token(said: &str) -> String {
    said.split_once("token=").unwrap().1.trim().to_owned()
}

impl Drive {
    pub(super) async fn console(&mut self, key: &str) {
        self.keys_of_the_console().await;
        self.people_of_the_console().await;
        self.connections_of_the_console();
        self.clients_of_the_console(key).await;
        for arguments in [
            &["secrets", "status"][..],
            &["secrets", "reseal"],
            &["audit", "verify"],
            &["audit", "export"],
            &["config", "check"],
            &["migrate"],
            &["app", "list"],
        ] {
            let (code, told) = self.run(arguments);
            assert_eq!(code, Some(0), "{arguments:?}: {told}");
        }
        // What it finds is told; that some of it is wrong is as it should be.
        let (code, told) = self.run(&["doctor"]);
        assert!(matches!(code, Some(0 | 1)) && !told.is_empty(), "{told}");
        let made = self.delivered_by(&["secrets", "new-key"], "new master key", |said| {
            said.trim().to_owned()
        });
        let previous = self.setting("SWITCHHOOK__SECURITY__PREVIOUS_MASTER_KEYS");
        let both = format!("{previous},{made}");
        let more = [("SWITCHHOOK__SECURITY__PREVIOUS_MASTER_KEYS", both.as_str())];
        let (code, told) = self.run_with(&["secrets", "status"], &more);
        assert_eq!(code, Some(0), "it is a key: {told}");
        self.used(&made);
        self.faults_of_the_console();
    }

    fn setting(&self, name: &str) -> String {
        let mut settings = self.settings.iter();
        let found = settings.find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap()
    }

    async fn keys_of_the_console(&mut self) {
        let create = ["app", "create", "Console"];
        let first = self.delivered_by(&create, "key of app create", |said| after(said, "Key"));
        let create = ["key", "create", "CRM", "--app", "Console"];
        let line = |said: &str| said.lines().next().unwrap().trim().to_owned();
        let second = self.delivered_by(&create, "key of key create", line);
        let (_, list) = self.run(&["key", "list", "--app", "Console", "--json"]);
        let list: serde_json::Value = serde_json::from_str(list.split("\n20").next().unwrap())
            .unwrap_or_else(|error| panic!("{error}: {list}"));
        let id = list
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["name"] == "CRM");
        let id = id.unwrap()["id"].as_str().unwrap().to_owned();
        let rotate = ["key", "rotate", &id, "--app", "Console"];
        let third = self.delivered_by(&rotate, "key of key rotate", line);
        for key in [&first, &second, &third] {
            let me = self
                .request(Method::GET, "/api/me")
                .header("x-api-key", key);
            assert_eq!(self.ask(me).await.0, 200);
            self.used(key);
        }
        let (code, told) = self.run(&["key", "revoke", &id, "--app", "Console"]);
        assert_eq!(code, Some(0), "{told}");
        let link = ["app", "link", "Console"];
        let link = self.delivered_by(&link, "link of app link", token);
        let request = self.request(Method::GET, &format!("/sign-in?token={link}"));
        self.session("session of a link of the console", request)
            .await;
        self.used(&link);
    }

    async fn people_of_the_console(&mut self) {
        let app = ["--app", "Console"];
        let invite = [&["user", "invite", "els@example.nl"][..], &app].concat();
        let invitation = self.delivered_by(&invite, "link of user invite", token);
        let password = self.plant("password of somebody invited by the console");
        let accept = |token: &str| json!({ "token": token, "password": password });
        let request = self.browser(Method::POST, "/api/invitations/accept", "");
        let request = request.json(&accept(&invitation));
        self.session("session of an invitation of the console", request)
            .await;
        self.used(&invitation);
        self.used(&password);
        let reset = [&["user", "reset-link", "els@example.nl"][..], &app].concat();
        let reset = self.delivered_by(&reset, "link of user reset-link", token);
        let request = self.browser(Method::POST, "/api/invitations/accept", "");
        let request = request.json(&accept(&reset));
        self.session("session of a reset of the console", request)
            .await;
        self.used(&reset);
        for what in ["disable", "enable"] {
            let (code, told) = self.run(&[&["user", what, "els@example.nl"][..], &app].concat());
            assert_eq!(code, Some(0), "{told}");
        }
        let (code, told) = self.run(&[&["user", "list"][..], &app].concat());
        assert!(code == Some(0) && told.contains("els@example.nl"), "{told}");
        let (code, told) = self.run(&["user", "set-up-link"]);
        assert_eq!(code, Some(2), "it is set up: {told}");
    }

    fn connections_of_the_console(&mut self) {
        let (key, secret) = (
            self.plant("api_key given to the console"),
            self.plant("its secret"),
        );
        let set = format!("api_key={key}");
        let app = ["--app", "Console"];
        let connection = |arguments: &[&str]| -> Vec<String> {
            let all = [&["connection"][..], arguments, &app].concat();
            all.into_iter().map(str::to_owned).collect()
        };
        let run = |drive: &mut Self, arguments: &[&str]| {
            let all = connection(arguments);
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            drive.run(&all)
        };
        let add = ["add", "dialpad", "--set", &set, "--webhook-secret", &secret];
        let (code, told) = run(self, &add);
        assert_eq!(code, Some(0), "{told}");
        let id = after(&told, "Connection");
        self.used(&key);
        self.used(&secret);
        let add = connection(&["add", "generic"]);
        let add: Vec<&str> = add.iter().map(String::as_str).collect();
        let made = self.delivered_by(&add, "secret of connection add", |said| {
            after(said, "Secret")
        });
        self.used(&made);
        let rotate = connection(&["secret", &id]);
        let rotate: Vec<&str> = rotate.iter().map(String::as_str).collect();
        let made = self.delivered_by(&rotate, "secret of connection secret", |said| {
            after(said, "Secret")
        });
        self.used(&made);
        let (key, secret) = (
            self.plant("api_key set anew"),
            self.plant("secret set anew"),
        );
        let set = format!("api_key={key}");
        for arguments in [
            &["set", &id, &set][..],
            &["secret", &id, "--secret", &secret],
            &["list"],
            &["platforms", "dialpad"],
        ] {
            let (code, told) = run(self, arguments);
            assert_eq!(code, Some(0), "{arguments:?}: {told}");
        }
        self.used(&key);
        self.used(&secret);
        let wrong = self.plant("secret in a wrong command");
        let setting = format!("nothing={wrong}");
        let number = format!("port={wrong}");
        for arguments in [
            &["set", &id, &setting][..],
            &["set", &id, &wrong],
            &["add", "asterisk", "--set", &number],
            &["add", "generic", "--set", &setting],
            &["add", "nothing", "--webhook-secret", &wrong],
            &[
                "add",
                "dialpad",
                "--set",
                &setting,
                "--webhook-secret",
                &wrong,
            ],
        ] {
            let (code, told) = run(self, arguments);
            assert!(matches!(code, Some(1 | 2)), "{arguments:?}: {told}");
        }
        self.used(&wrong);
        let (code, told) = run(self, &["remove", &id]);
        assert_eq!(code, Some(0), "{told}");
    }

    /// The commands that speak to a server as its clients do.
    async fn clients_of_the_console(&mut self, key: &str) {
        let wrong = self.plant("wrong key of the console");
        let server = self.server().url.clone();
        let more = [("SWITCHHOOK_API_KEY", key)];
        let heard = ["listen", "--url", &server, "--after", "0", "--count", "1"];
        let (code, told) = self.run_with(&heard, &more);
        assert!(code == Some(0) && told.contains("call"), "{told}");
        let more = [("SWITCHHOOK_API_KEY", wrong.as_str())];
        let (code, told) = self.run_with(&["listen", "--url", &server], &more);
        assert_eq!(code, Some(2), "{told}");
        self.used(&wrong);
        let secret = self.plant("secret of the simulator");
        let more = [("SWITCHHOOK_WEBHOOK_SECRET", secret.as_str())];
        let hook = format!("{server}/webhooks/generic/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let play = [
            "simulate", "dialpad", "--url", &hook, "--count", "1", "--rate", "100", "--pace",
            "0.01",
        ];
        let (_, told) = self.run_with(&play, &more);
        assert!(told.contains("3 refused"), "it was sent: {told}");
        self.used(&secret);
    }

    /// What the program is started with may be wrong, too.
    fn faults_of_the_console(&mut self) {
        let secret = self.plant("secret in a wrong setting");
        let spelled: String = secret.replace('/', "%2F").replace('+', "%2B");
        let away = format!("postgres://cti:{spelled}@127.0.0.1:9/cti");
        let closed = format!("{CLOSED}/{spelled}");
        for (name, value) in [
            ("SWITCHHOOK__SECURITY__MASTER_KEY", secret.as_str()),
            ("SWITCHHOOK__SECURITY__PREVIOUS_MASTER_KEYS", &secret),
            ("SWITCHHOOK__DATABASE__URL", &secret),
            ("SWITCHHOOK__DATABASE__URL", &away),
            ("SWITCHHOOK__OIDC__ISSUER", &secret),
        ] {
            for arguments in [
                &["config", "check"][..],
                &["doctor"],
                &["key", "list"],
                &["serve", "--listen", "127.0.0.1:0"],
            ] {
                let (code, told) = self.run_with(arguments, &[(name, value)]);
                let checked = name.ends_with("URL") && value == away && arguments[0] == "config";
                assert_eq!(code == Some(0), checked, "{name} {arguments:?}: {told}");
            }
        }
        let import = ["import", "dialpad-cti-server", "--from", &away];
        let (code, told) = self.run(&import);
        assert_eq!(code, Some(1), "{told}");
        let listen = ["listen", "--url", &closed, "--key", &secret, "--after", "0"];
        let (code, told) = self.run(&listen);
        assert!(code.is_some_and(|code| code != 0), "{told}");
        self.used(&secret);
    }
}
