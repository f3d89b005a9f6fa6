DROP TABLE slack_answers;
