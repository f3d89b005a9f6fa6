DROP TABLE event_tallies;
