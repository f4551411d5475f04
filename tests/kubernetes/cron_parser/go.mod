module cron-parser

go 1.24

// What KFP's scheduled workflow controller reads cron expressions with.
require github.com/robfig/cron v1.2.0
