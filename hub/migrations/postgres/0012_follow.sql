-- Events that somebody is to do more about than to let phones read them: written with the event, and gone when it is done.
CREATE TABLE followed_events (
    follower TEXT NOT NULL,
    person_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    PRIMARY KEY (follower, person_id, sequence)
);
