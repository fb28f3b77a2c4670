/** The groups of routes in the OpenAPI document, in the order in which the documentation page shows them. */
export const documentTags = [
  'Browser flow',
  'Token flow',
  'Sessions',
  'Users',
  'Roles',
  'Exercises',
  'Muscle groups',
  'Equipment',
  'Exercise tags',
  'API keys',
  'Webhook settings',
  'Events',
  'Inbox',
  'Organizations',
  'Audit',
  'System',
];
