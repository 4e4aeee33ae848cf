-- Before the totals of a day are told it is looked, again and again, for what has no answer yet: a few rows beside all of the day.
CREATE INDEX network_orders_asked ON network_orders (link, business_day, currency) WHERE state = 'ASKED';
