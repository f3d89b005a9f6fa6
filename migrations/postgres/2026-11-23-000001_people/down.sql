DROP TABLE api_tokens;
DROP TABLE sessions;
DROP TABLE setup_links;
DROP TABLE login_failures;
DROP TABLE users;
DROP TABLE projects;
DROP TABLE installation;
