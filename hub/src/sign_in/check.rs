//! What must not be found in the tables of signing in.

/// Each counts rows that must not exist.
pub(crate) const CHECKS: [(&str, &str); 4] = [
    (
        "browsers are signed in for nobody who can sign in, or in several at once for one person",
        "SELECT (SELECT count(*) FROM web_sessions s WHERE NOT EXISTS (SELECT 1 FROM account_passwords a \
         WHERE a.person_id = s.person_id)) + (SELECT count(*) FROM (SELECT person_id FROM web_sessions \
         GROUP BY person_id HAVING count(*) > 1) several)",
    ),
    ("sessions of browsers go on after their end", "SELECT count(*) FROM web_sessions WHERE expires_at > ends_at"),
    (
        "sign-ins have a code that went to nobody, or fewer tries left than none",
        "SELECT count(*) FROM sign_ins s WHERE (s.person_id IS NULL) <> (s.code_mac IS NULL) OR s.attempts_left < 0 \
         OR s.person_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM account_passwords a WHERE a.person_id = s.person_id)",
    ),
    (
        "account passwords are stored in another way than by Argon2id, or their codes sent cannot be read",
        "SELECT count(*) FROM account_passwords WHERE hash NOT LIKE '$argon2id$%' OR length(codes_sent) % 8 <> 0 \
         OR failures < 0",
    ),
];
