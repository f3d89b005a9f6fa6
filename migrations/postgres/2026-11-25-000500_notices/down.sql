DROP TABLE notice_deliveries;
DROP TABLE notices;
