//! Columns are chosen by their values, not only by their names.

use super::*;

#[test]
fn the_account_column_of_the_list_has_the_values_of_the_events() {
    let events =
        "user_id,event,time_stamp\n1,login,2024-01-01\n2.0,login,2024-01-02\n3,login,2024-01-02\n";
    let list = "object_id,creation_time,name,invited_by_user_id,org_id\n\
                1,2024-01-01,A,2,1\n2,2024-01-01,B,2,2\n3,2024-01-02,C,1,1\n4,2024-01-03,D,3,1\n";
    let guess = files(&[("e.csv", events), ("list.csv", list)]);
    has(
        &guess,
        &[
            "account = \"object_id\"",
            "account = \"user_id\"",
            "100% of its values occur in object_id of list.csv",
        ],
    );
    // The key of the events is not the first id of the list, and is written in another way.
    let list =
        "id,external_id,created_at\n1,ws-1,2024-01-01\n2,ws-2,2024-01-02\n3,ws-3,2024-01-03\n";
    let events = "ws,quantity,event,at\nws-1,1,login,2024-01-01\nws-2,2,login,2024-01-02\nws-3,1,login,2024-01-02\n";
    let guess = files(&[("e.csv", events), ("list.csv", list)]);
    has(&guess, &["account = \"external_id\"", "account = \"ws\""]);
}

#[test]
fn accounts_that_no_event_has_need_a_join_which_another_table_allows() {
    let tracks =
        "user_id,event,timestamp\nu1,login,2024-01-01\nu2,login,2024-01-02\nu3,login,2024-01-02\n";
    let list = "id,created_at,converted_at,seats\nw1,2024-01-01,,1\nw2,2024-01-02,2024-02-01,2\n";
    let guess = files(&[("tracks.csv", tracks), ("list.csv", list)]);
    has(&guess, &["account = \"FIXME\""]);
    assert!(
        guess.tasks[0].contains("join a table that maps `user_id` to accounts"),
        "{:?}",
        guess.tasks
    );
    let groups =
        "user_id,group_id,timestamp\nu1,w1,2024-01-01\nu2,w1,2024-01-02\nu3,w2,2024-01-02\n";
    // The table says which account each user belongs to.
    let guess = files(&[("tracks.csv", tracks), ("groups.csv", groups), ("list.csv", list)]);
    has(
        &guess,
        &[
            "# account: that of the user at the time of the event ([users]); 100% of its values occur in `user_id` of `groups.csv`\nuser = \"user_id\"",
            "\n[users]\npath = \"groups.csv\"",
            "\naccount = \"group_id\"",
        ],
    );
    assert!(!guess.toml.contains("\"FIXME\""), "{}", guess.toml);
    // Users of several accounts need a decision.
    let groups = "user_id,group_id,timestamp\nu1,w1,2024-01-01\nu1,w2,2024-01-01\nu2,w1,2024-01-02\nu3,w2,2024-01-02\n";
    let guess = files(&[("tracks.csv", tracks), ("groups.csv", groups), ("list.csv", list)]);
    assert!(
        guess.tasks[0].contains("join `groups.csv` to `tracks.csv` (`user_id` of the events = `user_id` of `groups.csv`) and add its column `group_id`"),
        "{:?}",
        guess.tasks
    );
}

#[test]
fn a_table_of_users_is_recognized_by_its_columns() {
    let tracks =
        "user_id,event,timestamp\nu1,login,2024-01-01\nu2,login,2024-01-02\nu3,login,2024-01-02\n";
    let list = "id,created_at,converted_at,seats\nw1,2024-01-01,,1\nw2,2024-01-02,2024-02-01,2\n";
    let guess_with = |users: &str, list: Option<&str>| {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, text) in [("tracks.csv", tracks), ("users.csv", users)] {
            fs::write(path(name), text).unwrap();
        }
        list.iter().for_each(|list| fs::write(path("list.csv"), list).unwrap());
        let options = InitOptions { users: Some(path("users.csv")), ..InitOptions::default() };
        let list = list.map(|_| path("list.csv"));
        guess(&[path("tracks.csv")], list.as_deref(), folder.path(), &options, NOW).unwrap()
    };
    let users = "id,workspace,mail,joined_on\nu1,w1,a@x.com,2024-01-01\nu2,w1,b@x.com,2024-01-02\nu3,w2,c@y.com,2024-01-02\n";
    let found = guess_with(users, Some(list));
    has(
        &found,
        &[
            "\n[users]\npath = \"users.csv\"",
            "\nuser = \"id\"",
            "\naccount = \"workspace\"",
            "\nemail = \"mail\"",
            "\nfrom = \"joined_on\"",
        ],
    );
    assert!(!found.toml.contains("\"FIXME\""), "{}", found.toml);
    // Without an account list, a user is no account.
    has(&guess_with(users, None), &["\naccount = \"workspace\"", "# account: that of the user"]);
    let other = guess_with("name,color\na,red\nb,blue\n", Some(list));
    assert!(
        other.tasks.iter().any(|task| task.contains("`users.csv` is not used")),
        "{:?}",
        other.tasks
    );
    assert!(!other.toml.contains("\n[users]"), "{}", other.toml);
}

#[test]
fn a_list_with_several_rows_of_an_account_is_reported() {
    let events = "customer_id,event,timestamp\nc1,login,2024-01-01\nc2,login,2024-01-02\n";
    let list = "customer_id,created_at,paid_at\nc1,2024-01-01,\nc1,2024-01-05,2024-02-01\nc2,2024-01-02,\n";
    let guess = files(&[("e.csv", events), ("list.csv", list)]);
    assert!(guess.tasks[0].contains("has 3 rows for 2 accounts"), "{:?}", guess.tasks);
    has(&guess, &["account = \"customer_id\"                 # FIXME: "]);
}

#[test]
fn the_time_of_the_event_is_preferred_to_times_of_transport_and_storage() {
    for (times, chosen, received) in [
        ("created_at,event_ts", "event_ts", None),
        ("etl_tstamp,collector_tstamp,derived_tstamp", "derived_tstamp", Some("collector_tstamp")),
        (
            "received_at,uuid_ts,sent_at,original_timestamp",
            "original_timestamp",
            Some("received_at"),
        ),
        ("loaded_at,occurred_at", "occurred_at", None),
        (
            "processed_time,server_received_time,client_event_time",
            "client_event_time",
            Some("server_received_time"),
        ),
        ("updated_at,performed_on", "performed_on", None),
        ("user_first_touch_timestamp,event_timestamp", "event_timestamp", None),
    ] {
        let names: Vec<&str> = times.split(',').collect();
        let row = |account: &str, day: u32| {
            let cells: Vec<String> = names
                .iter()
                .map(|name| {
                    let hour = if *name == chosen { 8 } else { 9 };
                    format!("2024-01-{day:02}T{hour:02}:00:00Z")
                })
                .collect();
            format!("{account},x,{}\n", cells.join(","))
        };
        let text = format!("account_id,event,{times}\n{}{}", row("a", 1), row("b", 2));
        let guess = files(&[("e.csv", &text)]);
        has(&guess, &[&format!("\ntimestamp = \"{chosen}\"")]);
        for name in &names {
            let named = format!("{name:?}");
            assert!(guess.toml.contains(&named), "{name} is not mentioned in\n{}", guess.toml);
        }
        match received {
            Some(name) => has(&guess, &[&format!("\nreceived = \"{name}\"")]),
            None => has(&guess, &["\n# received = "]),
        }
    }
}

#[test]
fn a_backfilled_time_of_receipt_is_not_used() {
    let rows: Vec<String> =
        (1..=9).map(|n| format!("a{n},x,2024-01-0{n}T00:00:00Z,2024-03-01T00:00:00Z\n")).collect();
    let guess =
        files(&[("e.csv", &format!("account_id,event,timestamp,received_at\n{}", rows.concat()))]);
    has(
        &guess,
        &["\n# received = ", "100% of the events were received more than a day late (a backfill?)"],
    );
}

#[test]
fn a_table_of_daily_counts_is_unpivoted_and_its_counts_are_summed() {
    let rows: Vec<String> = (1..=9)
        .flat_map(|day| {
            ["a", "b"]
                .map(|account| format!("2024-01-0{day},{account},{},{},3.5\n", day % 4, day % 2))
        })
        .collect();
    let guess = files(&[(
        "usage.csv",
        &format!("day,account_id,logins,reports_viewed,minutes\n{}", rows.concat()),
    )]);
    has(
        &guess,
        &[
            "unpivot = [\"logins\", \"reports_viewed\"]",
            "\nvalues = [\"logins\"]",
            "login = [\"logins\"]",
            "# values = [\"minutes\"]",
        ],
    );
}

#[test]
fn columns_that_the_user_names_are_used_and_unknown_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.csv");
    fs::write(&path, "account_id,site,event,timestamp,shown_at\na,s,x,2024-01-01,2024-01-02\nb,t,x,2024-01-03,2024-01-04\n").unwrap();
    let with = |account: &str, time: &str| {
        let options = InitOptions {
            account: Some(account.to_owned()),
            time: Some(time.to_owned()),
            ..InitOptions::default()
        };
        guess(std::slice::from_ref(&path), None, folder.path(), &options, NOW)
    };
    has(&with("site", "shown_at").unwrap(), &["account = \"site\"", "timestamp = \"shown_at\""]);
    for (account, time, near) in [("sit", "shown_at", "`site`"), ("site", "show_at", "`shown_at`")]
    {
        let error = with(account, time).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.hint().unwrap().contains(near), "{error}");
    }
}

#[test]
fn won_deals_are_conversions_at_their_close_and_other_stages_no_usage() {
    let events =
        "account,event,timestamp\n1,login,2024-01-01\n2,login,2024-01-02\n3,login,2024-01-02\n";
    let deals = "Id,AccountId,StageName,CreatedDate,CloseDate\n\
                 d1,1,Closed Won,2024-01-02,2024-02-01\nd2,2,Closed Lost,2024-01-03,2024-02-03\nd3,3,Negotiation,2024-01-03,2024-02-03\n";
    let list = "Id,CreatedDate\n1,2024-01-01\n2,2024-01-01\n3,2024-01-01\n";
    let guess = files(&[("e.csv", events), ("deals.csv", deals), ("list.csv", list)]);
    has(
        &guess,
        &[
            "event = \"StageName\"",
            "timestamp = \"CloseDate\"",
            "converted = [\"Closed Won\"]",
            "exclude = [\"Closed Lost\", \"Negotiation\"]",
        ],
    );
}

#[test]
fn rows_of_trials_are_no_conversions() {
    let rows: Vec<String> =
        (1..=9).map(|n| format!("a{n},2024-01-0{n},{}\n", n % 2 == 0)).collect();
    let guess = files(&[
        ("usage.csv", "account_id,event,timestamp\na1,login,2024-01-01\na2,login,2024-01-02\n"),
        ("subscriptions.csv", &format!("account_id,start_date,is_trial\n{}", rows.concat())),
    ]);
    let remark = guess.remarks.iter().find(|remark| remark.contains("rows of trials"));
    assert!(remark.is_some_and(|remark| remark.contains("`is_trial`")), "{:?}", guess.remarks);
}

#[test]
fn values_inside_objects_are_offered_by_dotted_names() {
    let line = |name: &str, time: u32, id: &str| {
        format!(
            "{{\"event\":\"{name}\",\"properties\":{{\"time\":{time},\"distinct_id\":\"{id}\"}}}}\n"
        )
    };
    let text = line("login", 1_735_725_600, "a") + &line("view", 1_735_984_800, "b");
    let guess = files(&[("n.ndjson", &text)]);
    has(&guess, &["account = \"properties.distinct_id\"", "timestamp = \"properties.time\""]);
    assert!(guess.remarks.iter().any(|r| r.starts_with("Read ")), "{:?}", guess.remarks);
}

#[test]
fn numbers_of_the_account_list_are_recognized_as_the_training_reads_them() {
    let mut list = "account_id,created_at,seats,mrr,employees,founded\n".to_owned();
    let mut events = "account_id,event,timestamp,amount\n".to_owned();
    for i in 0..30 {
        let seats = if i == 4 { "NA".to_owned() } else { format!("1,{i:03}") };
        let founded = if i == 7 { "unknown".to_owned() } else { format!("{}", 1980 + i) };
        writeln!(list, "{i},2024-01-01,\"{seats}\",\"{i},5\",\"2.{i:03},5\",{founded}").unwrap();
        let amount = if i == 9 { "-".to_owned() } else { i.to_string() };
        writeln!(events, "{i},login,2024-01-02,{amount}").unwrap();
    }
    let guess = files(&[("e.csv", &events), ("list.csv", &list)]);
    has(
        &guess,
        &[
            "\nseats = \"seats\"",
            "\nrevenue = \"mrr\"",
            "\nattributes = [\"employees\"]",
            "# Not an attribute: \"founded\" (most values are numbers, but not all)",
            "\n# values = [\"amount\"]",
        ],
    );
}

#[test]
fn repeated_names_matter_only_if_they_are_used() {
    let events = "account_id,event,timestamp,x,x\na,login,2024-01-01,1,2\nb,login,2024-01-02,3,4\n";
    let guess = files(&[("e.csv", events)]);
    has(&guess, &["account = \"account_id\"", "timestamp = \"timestamp\""]);
    let note = "e.csv`: not used: `x` (several columns have this name)";
    assert!(guess.remarks.iter().any(|remark| remark.contains(note)), "{:?}", guess.remarks);
}
